import type { Principal, RouteClass } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GatewayConfig } from './config.ts';
import { bytesOf, configOf, everything, ManualClock } from './fixtures/start-gateway.ts';
import { Quota } from './quota.ts';
import { policyItem } from './rates.ts';

const general = { requests_per_second: 10, burst: 20, bytes_per_second: 1_000, bytes_burst: 2_000 };

function quotaOf(changes: Partial<GatewayConfig>) {
  const clock = new ManualClock();
  const quota = new Quota(configOf({ ...general, ...changes }), clock);
  const ask = (routeClass: RouteClass, bodyBytes = 0, principal: Principal = everything) => {
    try {
      return quota.admit({ tenant: 't', bodyBytes, principal, routeClass });
    } catch (error) {
      if (error instanceof RonError) return error;
      throw error;
    }
  };
  return { clock, quota, ask };
}

it('who shows no capability uses up nobody else’s quota', () => {
  const { quota } = quotaOf({ requests_per_second: 1, burst: 2 });
  const call = { tenant: '', bodyBytes: 0, routeClass: 'reads' } as const;
  const stranger = { ...everything, tenant: '', capabilityId: 'anonymous' };
  for (let at = 0; at < 2; at += 1) quota.admit({ ...call, principal: stranger });
  expect(() => quota.admit({ ...call, principal: stranger })).toThrow('the quota');
  expect(quota.admit({ ...call, principal: { ...stranger, capabilityId: 'owner' } })).toMatchObject({ remaining: 1 });
});

describe('another node', () => {
  const nodeOf = (digit: string): Principal => {
    const node = digit.repeat(64);
    return { ...everything, tenant: '', capabilityId: `node/${node}`, node };
  };
  /** Milliseconds that this call has to wait; by who has a tenant when it names one. */
  const waitOf = (quota: Quota, principal: Principal, tenant = ''): number => {
    try {
      quota.admit({ tenant, bodyBytes: 0, principal, routeClass: 'reads' });
      return 0;
    } catch (error) {
      if (error instanceof RonError) return error.retryAfterMs!;
      throw error;
    }
  };

  it('pays for itself, and neither for other nodes nor for capabilities without a tenant', () => {
    const { quota } = quotaOf({ burst: 1 });
    expect([waitOf(quota, nodeOf('a')), waitOf(quota, nodeOf('a'))]).toEqual([0, 100]);
    expect(waitOf(quota, nodeOf('b'))).toBe(0);
    expect(waitOf(quota, { ...everything, tenant: '' })).toBe(0);
    expect(waitOf(quota, { ...everything, tenant: '', capabilityId: 'anonymous' })).toBe(0);
    expect(waitOf(quota, everything, 't')).toBe(0);
  });

  it('pays for the bytes it is sent', () => {
    const { quota } = quotaOf({ bytes_burst: 500 });
    quota.sending({ tenant: '', principal: nodeOf('a') }, new ResidentBody(bytesOf(600)));
    expect([waitOf(quota, nodeOf('a')), waitOf(quota, nodeOf('b'))]).toEqual([101, 0]);
  });

  it('pays for itself also when it names a tenant, and many ids take no place of tenants', () => {
    const { quota } = quotaOf({ burst: 1, tenants_max: 2 });
    for (const digit of 'abcdef') waitOf(quota, nodeOf(digit), 't');
    expect(quota.remembered).toBe(2);
    const waits = ['t', 'u', 'u'].map((tenant) => waitOf(quota, everything, tenant));
    expect(waits).toEqual([0, 0, 100]);
  });
});

describe('a class with a rate of its own', () => {
  it('is bound by it, and by the tenant’s, and the others by the tenant’s alone', () => {
    const { ask } = quotaOf({ writes_per_second: 5, writes_burst: 2 });
    expect([ask('writes'), ask('writes')].map((each) => each instanceof RonError)).toEqual([false, false]);
    expect(ask('writes')).toMatchObject({
      code: 'quota_exhausted',
      retryAfterMs: 200,
      details: { quota: 'writes', policy: '"writes";q=2;w=1' },
    });
    for (let call = 0; call < 18; call += 1) expect(ask('reads')).toMatchObject({ quota: 'requests' });
    expect(ask('reads')).toMatchObject({ retryAfterMs: 100, details: { quota: 'requests' } });
  });

  it('is charged nothing when another bucket refuses, and the other way round', () => {
    const { clock, quota, ask } = quotaOf({ burst: 1, writes_per_second: 5, writes_burst: 2 });
    ask('reads');
    const before = [...quota.rows()];
    expect(ask('writes')).toMatchObject({ details: { quota: 'requests' } });
    expect([...quota.rows()]).toEqual(before);
    clock.nowMs += 100;
    expect(ask('writes')).toMatchObject({ limit: 1 });
  });

  it('pays for bytes as it sends and receives them', () => {
    const { quota, ask } = quotaOf({ reads_bytes_per_second: 100, reads_bytes_burst: 100 });
    quota.sending({ tenant: 't', principal: everything }, new ResidentBody(bytesOf(150)));
    expect(ask('reads')).toMatchObject({
      retryAfterMs: 510,
      details: { quota: 'reads_bytes', policy: '"reads_bytes";q=100;w=1;qu="content-bytes"' },
    });
    expect(ask('writes')).not.toBeInstanceOf(RonError);
  });

  it('reports the bucket that is nearest to its end', () => {
    const { ask } = quotaOf({ admin_per_second: 1, admin_burst: 4 });
    expect(ask('admin')).toEqual({
      quota: 'admin',
      limit: 4,
      remaining: 3,
      windowMs: 3_000,
      policy: '"admin";q=4;w=4',
    });
    expect(ask('reads')).toMatchObject({ quota: 'requests', limit: 20, remaining: 18 });
  });
});

it('says exactly how long to wait, over all its buckets', () => {
  const routeClass = fc.constantFrom<RouteClass>('reads', 'writes', 'messages', 'admin');
  const capability = fc.constantFrom(undefined, 0.7, 3);
  const call = fc.record({ routeClass, capability, bytes: fc.nat(3_000), pause: fc.nat(400) });
  const rates = { writes_per_second: 3, writes_burst: 2, reads_bytes_per_second: 333, reads_bytes_burst: 700 };
  fc.assert(
    fc.property(fc.array(call, { minLength: 1, maxLength: 40 }), (calls) => {
      const { clock, ask } = quotaOf(rates);
      for (const each of calls) {
        const principal: Principal =
          each.capability === undefined
            ? everything
            : { ...everything, limits: { requestsPerSecond: each.capability } };
        clock.nowMs += each.pause;
        const refusal = ask(each.routeClass, each.bytes, principal);
        if (!(refusal instanceof RonError)) continue;
        clock.nowMs += refusal.retryAfterMs! - 1;
        expect(ask(each.routeClass, each.bytes, principal)).toBeInstanceOf(RonError);
        clock.nowMs += 1;
        expect(ask(each.routeClass, each.bytes, principal)).not.toBeInstanceOf(RonError);
      }
    }),
  );
});

it('writes policies that are structured fields, whatever the rate', () => {
  expect(policyItem({ quota: 'requests', perSecond: 0.001, capacity: 0.5 })).toBe('"requests";q=1;w=500');
  expect(policyItem({ quota: 'bytes', perSecond: 1, capacity: Number.MAX_SAFE_INTEGER })).toBe(
    '"bytes";q=999999999999999;w=999999999999999;qu="content-bytes"',
  );
});
