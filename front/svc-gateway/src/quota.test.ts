import type { Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bucket, BucketTable, waitMsMax } from './bucket.ts';
import type { GatewayConfig } from './config.ts';
import { gather } from './fixtures/map-peers.ts';
import { bytesOf, callOf, configOf, everything, ManualClock, startGateway } from './fixtures/start-gateway.ts';
import { Quota } from './quota.ts';

function quotaOf(changes: Partial<GatewayConfig> = {}) {
  const clock = new ManualClock();
  const small = { requests_per_second: 10, burst: 3, bytes_per_second: 1_000, bytes_burst: 500, ...changes };
  const quota = new Quota(configOf(small), clock);
  const admit = (tenant = 't', bodyBytes?: number, principal: Principal = everything) =>
    quota.admit({ tenant, bodyBytes, principal, routeClass: 'reads' });
  const waitOf = (...parameters: Parameters<typeof admit>): number => {
    try {
      admit(...parameters);
      return 0;
    } catch (error) {
      if (error instanceof RonError && error.code === 'quota_exhausted') return error.retryAfterMs!;
      throw error;
    }
  };
  return { clock, quota, admit, waitOf };
}

const withRate = (requestsPerSecond: number, capabilityId = 'c'): Principal => ({
  ...everything,
  capabilityId,
  limits: { requestsPerSecond },
});

describe('the quota of requests', () => {
  it('admits the burst, then one request each time that one has accrued, and says exactly when', () => {
    const { clock, admit, waitOf } = quotaOf();
    expect([waitOf(), waitOf(), waitOf()]).toEqual([0, 0, 0]);
    expect(waitOf()).toBe(100);
    clock.nowMs += 99;
    expect(waitOf()).toBe(1);
    clock.nowMs += 1;
    expect(admit()).toMatchObject({ limit: 3, remaining: 0, windowMs: 300 });
    expect(waitOf()).toBe(100);
  });

  it('tells a window in which what remains is no more than the rate, however full it is', () => {
    const { admit } = quotaOf({ requests_per_second: 2, burst: 60 });
    for (let call = 0; call < 60; call += 1) {
      const { remaining, windowMs } = admit();
      expect(remaining / (windowMs / 1_000)).toBeLessThanOrEqual(2);
    }
  });

  it('fills to the burst and no further', () => {
    const { clock, admit, waitOf } = quotaOf();
    admit();
    clock.nowMs += 1_000_000;
    expect(admit().remaining).toBe(2);
    expect([waitOf(), waitOf(), waitOf() > 0]).toEqual([0, 0, true]);
  });

  it('keeps tenants apart, and callers without one together', () => {
    const { waitOf } = quotaOf({ burst: 1 });
    expect([waitOf('a'), waitOf('b'), waitOf('a') > 0]).toEqual([0, 0, true]);
    const nobody = (capabilityId: string) => ({ ...everything, tenant: '', capabilityId });
    expect([waitOf('', undefined, nobody('x')), waitOf('', undefined, nobody('y')) > 0]).toEqual([0, true]);
  });

  it('is not moved by a wall clock', () => {
    const { clock, waitOf } = quotaOf({ burst: 1 });
    waitOf();
    clock.wallMs = () => 1e15;
    expect(waitOf()).toBe(100);
  });

  it('agrees with a model in whole numbers, at one millisecond before, at, and after the promised time', () => {
    const step = fc.record({ passMs: fc.nat(400), tenant: fc.constantFrom('a', 'b') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { clock, waitOf } = quotaOf();
        // 10 a second: a hundredth of a request each millisecond, at most 300 of them.
        const hundredths = new Map([
          ['a', 300],
          ['b', 300],
        ]);
        for (const { passMs, tenant } of steps) {
          clock.nowMs += passMs;
          for (const [key, level] of hundredths) hundredths.set(key, Math.min(300, level + passMs));
          const level = hundredths.get(tenant)!;
          expect(waitOf(tenant)).toBe(Math.max(0, 100 - level));
          if (level >= 100) hundredths.set(tenant, level - 100);
        }
      }),
      // Binary fractions that add up to just under a whole request.
      { examples: [[[0, 3, 0, 0].map((passMs) => ({ passMs, tenant: 'b' }))]] },
    );
  });

  it('promises a wait after which the call passes, and no millisecond earlier, at any rate', () => {
    const rate = fc.double({ min: 0.01, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        rate,
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.nat(50), { maxLength: 30 }),
        (perSecond, burst, gaps) => {
          const { clock, waitOf } = quotaOf({ requests_per_second: perSecond, burst });
          for (const gap of gaps) {
            clock.nowMs += gap;
            const wait = waitOf();
            if (wait === 0) continue;
            clock.nowMs += wait - 1;
            if (wait > 1) expect(waitOf()).toBe(1);
            clock.nowMs += 1;
            expect(waitOf()).toBe(0);
          }
        },
      ),
    );
  });
});

describe('the rate of a capability', () => {
  it('is honoured beside that of its tenant, and reported', () => {
    const { clock, admit, waitOf } = quotaOf({ requests_per_second: 1_000, burst: 1_000 });
    const slow = withRate(2);
    expect(admit('t', undefined, slow)).toMatchObject({ quota: 'capability', limit: 2, remaining: 1, windowMs: 500 });
    expect([waitOf('t', undefined, slow), waitOf('t', undefined, slow)]).toEqual([0, 500]);
    expect(waitOf('t', undefined, withRate(2, 'other'))).toBe(0);
    clock.nowMs += 500;
    expect(waitOf('t', undefined, slow)).toBe(0);
  });

  it('below one a second still lets one pass', () => {
    const { waitOf } = quotaOf();
    const slow = withRate(0.5);
    expect([waitOf('t', undefined, slow), waitOf('t', undefined, slow)]).toEqual([0, 2_000]);
  });

  it('gives no fresh bucket for a rate narrowed further', () => {
    const { waitOf } = quotaOf({ burst: 100 });
    expect([waitOf('t', undefined, withRate(1)), waitOf('t', undefined, withRate(0.999)) > 0]).toEqual([0, true]);
  });

  it('charges nothing when it refuses', () => {
    const { clock, admit, waitOf } = quotaOf({ burst: 2 });
    const slow = withRate(0.001);
    expect(waitOf('t', undefined, slow)).toBe(0);
    for (let turn = 0; turn < 5; turn += 1) expect(waitOf('t', 400, slow)).toBeGreaterThan(0);
    expect(admit('t').remaining).toBe(0);
    clock.nowMs += 1;
  });

  it('however small is told as a bounded wait', () => {
    const { waitOf } = quotaOf();
    const absurd = withRate(5e-324);
    expect([waitOf('t', undefined, absurd), waitOf('t', undefined, absurd)]).toEqual([0, waitMsMax]);
  });
});

describe('the quota of bytes', () => {
  it('charges what is announced, lets a debt arise, and makes the next call wait for it', () => {
    const { clock, waitOf } = quotaOf({ burst: 100 });
    expect(waitOf('t', 500)).toBe(0);
    expect(waitOf('t', 0)).toBe(1);
    clock.nowMs += 1;
    expect(waitOf('t', 1_000)).toBe(0);
    expect(waitOf('t')).toBe(1_000);
    clock.nowMs += 999;
    expect(waitOf('t')).toBe(1);
    clock.nowMs += 1;
    expect(waitOf('t')).toBe(0);
  });

  it('settles what came against what was announced, also when the call fails', async () => {
    const { clock, quota, waitOf } = quotaOf({ burst: 100 });
    expect(waitOf('tenant-1', 400)).toBe(0);
    const short = { ...callOf(bytesOf(100)), bodyBytes: 400 };
    expect((await quota.receiving(short, gather)).byteLength).toBe(100);
    // 500 − 400 + 300 given back.
    expect(waitOf('tenant-1', 399)).toBe(0);
    const unannounced = callOf(bytesOf(50), false);
    await expect(
      quota.receiving(unannounced, async (body) => {
        await gather(body);
        throw new RonError('conflict', 'no');
      }),
    ).rejects.toThrow('no');
    expect(waitOf('tenant-1')).toBe(50);
    clock.nowMs += 50;
    expect(waitOf('tenant-1')).toBe(0);
  });

  it('charges what is sent: resident at once, streams as they leave', async () => {
    const { quota, waitOf } = quotaOf({ burst: 100 });
    const resident = new ResidentBody(bytesOf(499));
    const payer = { tenant: 't', principal: everything };
    expect(quota.sending(payer, resident)).toBe(resident);
    expect(waitOf('t')).toBe(0);
    const streamed = quota.sending(
      payer,
      (async function* () {
        yield bytesOf(101);
        yield bytesOf(1_000);
      })(),
    );
    expect(waitOf('t')).toBe(0);
    const reading = streamed[Symbol.asyncIterator]();
    await reading.next();
    expect(waitOf('t')).toBe(101);
    await reading.return?.();
    expect(waitOf('t')).toBe(101);
  });

  it('counts reads and writes of the whole service', async () => {
    const node = await startGateway({ bytes_per_second: 1_000, bytes_burst: 1_000 });
    const admission = {
      operation: 'get',
      mutation: false,
      routeClass: 'reads' as const,
      principal: everything,
      tenant: 'tenant-1',
      bodyBytes: undefined,
    };
    const address = node.storage.add(bytesOf(600));
    await node.handlers.get({ address }, callOf());
    expect(() => node.admit(admission)).not.toThrow();
    await node.handlers.put({}, callOf(bytesOf(500, 3), false));
    expect(() => node.admit(admission)).toThrow(
      expect.objectContaining({
        code: 'quota_exhausted',
        retryAfterMs: 101,
        details: expect.objectContaining({ quota: 'bytes' }),
      }),
    );
  });
});

describe('what is remembered', () => {
  it.each([1, 2, 3])('is never more than %d tenants', (tenants_max) => {
    const { quota, waitOf } = quotaOf({ tenants_max, burst: 1 });
    for (let tenant = 0; tenant < tenants_max; tenant += 1) expect(waitOf(`t${tenant}`)).toBe(0);
    expect(quota.remembered).toBe(tenants_max);
    // All remembered ones are busy: the others share one bucket.
    expect(waitOf('late')).toBe(0);
    expect(waitOf('later')).toBe(100);
    expect(quota.remembered).toBe(tenants_max);
  });

  it('forgets full buckets only', () => {
    const { clock, quota, waitOf } = quotaOf({ tenants_max: 2, burst: 1 });
    waitOf('a');
    clock.nowMs += 50;
    waitOf('b');
    clock.nowMs += 50;
    expect(waitOf('c')).toBe(0);
    expect(quota.remembered).toBe(2);
    expect(waitOf('b')).toBe(50);
    expect(waitOf('c')).toBe(100);
  });

  it('holds for capabilities as for tenants', () => {
    const { quota, waitOf } = quotaOf({ tenants_max: 2, burst: 1_000_000, requests_per_second: 1 });
    for (let each = 0; each < 100; each += 1) waitOf('t', undefined, withRate(1, `cap-${each}`));
    expect(quota.remembered).toBe(3);
  });

  it('finds room behind many busy entries, a bounded look at a time', () => {
    const table = new BucketTable<{ full: boolean }>(
      () => ({ full: false }),
      (bucket) => bucket.full,
    );
    for (let each = 0; each < 200; each += 1) table.of(`k${each}`, 200).full = each === 150;
    const shared = table.of('new', 200);
    expect(table.of('other', 200)).toBe(shared);
    const own = table.of('new', 200);
    expect(own).not.toBe(shared);
    expect(table.of('new', 200)).toBe(own);
    expect(table.size).toBe(200);
  });

  it('shrinks when the bound does', () => {
    const table = new BucketTable<object>(
      () => ({}),
      () => true,
    );
    for (let each = 0; each < 10; each += 1) table.of(`k${each}`, 10);
    table.of('x', 4);
    expect(table.size).toBe(4);
  });
});

describe('a bucket', () => {
  it('follows a changed rate and capacity at once', () => {
    const bucket = new Bucket();
    bucket.spend(5, 0, 1, 10);
    expect(bucket.levelAt(0, 1, 10)).toBe(5);
    expect(bucket.levelAt(0, 1, 3)).toBe(3);
    expect(bucket.levelAt(1_000, 2, 10)).toBe(7);
    expect(bucket.waitMs(10, 0, 5, 10)).toBe(1_000);
  });
});

it('uses the rates that one tenant was given, as they are at the moment', () => {
  const clock = new ManualClock();
  let own = { burst: 1 };
  const config = configOf({ requests_per_second: 10, burst: 3 });
  const quota = new Quota(config, clock, (tenant, all) => (tenant === 'small' ? { ...all, ...own } : all));
  const admit = (tenant: string) => quota.admit({ tenant, bodyBytes: 0, principal: everything, routeClass: 'reads' });
  expect([admit('small').limit, admit('other').limit]).toEqual([1, 3]);
  expect(() => admit('small')).toThrow('used up');
  own = { burst: 2 };
  clock.nowMs += 200;
  expect(admit('small')).toMatchObject({ limit: 2, remaining: 1 });
});

describe('the bytes of a capability', () => {
  const limited = (bytesMax: number, capabilityId = 'c'): Principal => ({
    ...everything,
    capabilityId,
    limits: { bytesMax },
  });
  const payerOf = (principal: Principal) => ({ tenant: 't', principal });
  const isUsedUp = expect.objectContaining({
    code: 'forbidden',
    details: expect.objectContaining({ limit: 'bytes_max' }),
  });
  const read = (quota: Quota, bytes: number, principal: Principal) =>
    quota.sending(payerOf(principal), new ResidentBody(bytesOf(bytes)));

  it('may be moved in both directions together, to the last one', async () => {
    const { quota, admit } = quotaOf({ burst: 100, bytes_burst: 10_000 });
    const who = limited(100);
    expect(() => admit('t', 101, who)).toThrow(isUsedUp);
    await quota.receiving(callOf(bytesOf(60), true, who), gather);
    expect(() => read(quota, 41, who)).toThrow(isUsedUp);
    expect(read(quota, 39, who).constructor).toBe(ResidentBody);
    admit('t', 1, who);
    admit('t', 0, who);
    read(quota, 1, who);
    expect(() => admit('t', 0, who)).toThrow(isUsedUp);
    admit('t', 1_000, limited(1_000, 'another'));
  });

  it('are the same for what was attenuated from it, which may have fewer', () => {
    const { quota, admit } = quotaOf({ burst: 100, bytes_burst: 10_000 });
    read(quota, 50, limited(100));
    expect(() => admit('t', 0, limited(50))).toThrow(isUsedUp);
    admit('t', 50, limited(100));
  });

  it('end a stream that would pass them, in either direction', async () => {
    const { quota } = quotaOf({ burst: 100, bytes_burst: 10_000 });
    const stream = async function* () {
      yield bytesOf(60);
      yield bytesOf(60);
    };
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const piece of quota.sending(payerOf(limited(100)), stream())) seen.push(piece.byteLength);
      })(),
    ).rejects.toEqual(isUsedUp);
    expect(seen).toEqual([60]);
    const inward = callOf(stream(), false, limited(100, 'inward'));
    await expect(quota.receiving(inward, gather)).rejects.toEqual(isUsedUp);
  });

  it('are not passed by transfers at the same time, in either direction, however their pieces fall', async () => {
    const { quota } = quotaOf({ burst: 100, bytes_burst: 10_000 });
    const who = limited(100);
    const moved: number[] = [];
    const pieces = async function* () {
      for (let turn = 0; turn < 5; turn += 1) yield bytesOf(10 + turn);
    };
    const drain = async (body: AsyncIterable<Uint8Array>) => {
      for await (const { byteLength } of body) moved.push(byteLength);
    };
    const outward = Array.from({ length: 4 }, () => drain(quota.sending(payerOf(who), pieces())));
    const inward = Array.from({ length: 4 }, () => quota.receiving(callOf(pieces(), false, who), drain));
    const ended = await Promise.allSettled([...outward, ...inward]);
    expect(ended.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(3);
    const total = moved.reduce((sum, bytes) => sum + bytes, 0);
    expect(total).toBeLessThanOrEqual(100);
    expect(total).toBeGreaterThan(86);
  });

  it('are remembered for a bounded number of capabilities; the others share one count', () => {
    const { quota } = quotaOf({ tenants_max: 2, bytes_burst: 10_000 });
    for (const id of ['a', 'b', 'c']) read(quota, 60, limited(100, id));
    expect(() => read(quota, 60, limited(100, 'd'))).toThrow(isUsedUp);
    expect(read(quota, 40, limited(100, 'a'))).toBeDefined();
  });
});
