import type { Log, LogFields } from '@ron/kernel';
import type { Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GatewayConfig } from './config.ts';
import { bytesOf, configOf, everything, ManualClock } from './fixtures/start-gateway.ts';
import { Quota } from './quota.ts';
import { type QuotaRow, QuotaSnapshots, type QuotaStore } from './quota-snapshots.ts';

const small = {
  requests_per_second: 10,
  burst: 5,
  bytes_per_second: 1_000,
  bytes_burst: 500,
  writes_per_second: 2,
  writes_burst: 3,
  quota_snapshot_s: 10,
};

/** A store that outlives the processes of a test. */
class MapStore implements QuotaStore {
  readonly rows = new Map<string, QuotaRow>();
  writes: number[] = [];
  failure: Error | undefined;

  entries() {
    return this.rows.entries();
  }

  async transact<T>(decide: Parameters<QuotaStore['transact']>[0]): Promise<T> {
    if (this.failure !== undefined) throw this.failure;
    const { changes, result } = decide(this.rows);
    this.writes.push(changes.length);
    for (const [key, row] of changes) {
      if (row === undefined) this.rows.delete(key);
      else this.rows.set(key, JSON.parse(JSON.stringify(row)) as QuotaRow);
    }
    return result as T;
  }
}

function startOn(store: QuotaStore, changes: Partial<GatewayConfig> = {}) {
  const clock = new ManualClock();
  const config = configOf({ ...small, ...changes });
  const quota = new Quota(config, clock);
  const warnings: LogFields[] = [];
  const ignore = () => undefined;
  const warn = (fields: LogFields) => void warnings.push(fields);
  const log: Log = { debug: ignore, info: ignore, error: ignore, warn, child: () => log };
  const snapshots = new QuotaSnapshots({ store, quota, config, clock, log });
  const waitOf = (tenant = 't', principal: Principal = everything, routeClass: 'reads' | 'writes' = 'reads') => {
    try {
      quota.admit({ tenant, bodyBytes: 0, principal, routeClass });
      return 0;
    } catch (error) {
      if (error instanceof RonError) return error.retryAfterMs ?? Number.POSITIVE_INFINITY;
      throw error;
    }
  };
  return { clock, quota, snapshots, warnings, waitOf };
}

/** The store answers without waiting for anything: a few turns of the microtasks are enough. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await undefined;
}

const limited = (limits: Principal['limits']): Principal => ({ ...everything, capabilityId: 'c', limits });

describe('after a restart', () => {
  it('a tenant waits as long as it would have waited, in each of its buckets', async () => {
    const store = new MapStore();
    const before = startOn(store);
    for (let call = 0; call < 3; call += 1) before.waitOf('t', everything, 'writes');
    for (let call = 0; call < 2; call += 1) before.waitOf();
    before.quota.sending({ tenant: 'heavy', principal: everything }, new ResidentBody(bytesOf(900)));
    const waits = [before.waitOf(), before.waitOf('t', everything, 'writes'), before.waitOf('heavy')];
    expect(waits).toEqual([100, 500, 401]);
    await before.snapshots[Symbol.asyncDispose]();
    const after = startOn(store);
    expect([after.waitOf(), after.waitOf('t', everything, 'writes'), after.waitOf('heavy')]).toEqual(waits);
    after.clock.nowMs += 500;
    expect([after.waitOf(), after.waitOf('heavy')]).toEqual([0, 0]);
  });

  it('a capability has what was left of its rate and of its bytes', async () => {
    const store = new MapStore();
    const before = startOn(store);
    const slow = limited({ requestsPerSecond: 2 });
    for (let call = 0; call < 2; call += 1) before.waitOf('t', slow);
    const metered = { ...limited({ bytesMax: 100 }), capabilityId: 'm' };
    before.quota.sending({ tenant: 't', principal: metered }, new ResidentBody(bytesOf(80)));
    await before.snapshots[Symbol.asyncDispose]();
    const after = startOn(store);
    expect(after.waitOf('t', slow)).toBe(500);
    const send = (bytes: number) =>
      after.quota.sending({ tenant: 't', principal: metered }, new ResidentBody(bytesOf(bytes)));
    expect(() => send(21)).toThrow(expect.objectContaining({ code: 'forbidden' }));
    expect(() => send(20)).not.toThrow();
  });

  it('a node waits as long as it would have waited', async () => {
    const store = new MapStore();
    const before = startOn(store);
    const node = { ...everything, tenant: '', node: 'a'.repeat(64) };
    for (let call = 0; call < 5; call += 1) before.waitOf('', node);
    await before.snapshots[Symbol.asyncDispose]();
    const after = startOn(store);
    const other = { ...node, node: 'b'.repeat(64) };
    expect([after.waitOf('', node), after.waitOf('', other), after.waitOf('')]).toEqual([100, 0, 0]);
  });

  it('never gives more than there was, whatever happened', async () => {
    const step = fc.record({
      tenant: fc.constantFrom('a', 'b'),
      write: fc.boolean(),
      bytes: fc.nat(400),
      pause: fc.nat(300),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const store = new MapStore();
        const before = startOn(store);
        for (const { tenant, write, bytes, pause } of steps) {
          before.clock.nowMs += pause;
          before.waitOf(tenant, everything, write ? 'writes' : 'reads');
          before.quota.sending({ tenant, principal: everything }, new ResidentBody(bytesOf(bytes)));
        }
        await before.snapshots[Symbol.asyncDispose]();
        const after = startOn(store);
        for (const tenant of ['a', 'b']) {
          for (const routeClass of ['reads', 'writes'] as const) {
            expect(after.waitOf(tenant, everything, routeClass)).toBeGreaterThanOrEqual(
              before.waitOf(tenant, everything, routeClass),
            );
          }
        }
      }),
    );
  });
});

describe('a snapshot', () => {
  it('is taken every quota_snapshot_s, and holds nothing that is full', async () => {
    const store = new MapStore();
    const { clock, waitOf, snapshots } = startOn(store);
    waitOf();
    waitOf('other');
    const fire = async () => {
      const [timer] = clock.timers;
      clock.timers.clear();
      clock.nowMs += timer!.delayMs;
      timer!.task();
      await settled();
      return timer!.delayMs;
    };
    expect(await fire()).toBe(10_000);
    expect([...store.rows.keys()]).toEqual([]);
    for (let call = 0; call < 5; call += 1) waitOf();
    await snapshots[Symbol.asyncDispose]();
    expect([...store.rows]).toEqual([['tenant/t', { requests: 5, bytes: 0 }]]);
    clock.nowMs += 10_000;
    const again = startOn(store);
    again.clock.nowMs += 10_000;
    await again.snapshots[Symbol.asyncDispose]();
    expect([...store.rows.keys()]).toEqual([]);
  });

  it('writes at most 4,096 rows at once, and all of them at the end', async () => {
    const store = new MapStore();
    const { waitOf, snapshots } = startOn(store, { tenants_max: 10_000 });
    for (let tenant = 0; tenant < 5_000; tenant += 1) waitOf(`t${tenant}`);
    await snapshots[Symbol.asyncDispose]();
    expect(store.writes).toEqual([4_096, 904]);
    expect(store.rows.size).toBe(5_000);
  });

  it('at the end stores what changed in rows that the one before had stored already', async () => {
    const store = new MapStore();
    const { waitOf, snapshots, clock } = startOn(store, { tenants_max: 10_000 });
    for (let tenant = 0; tenant < 5_000; tenant += 1) waitOf(`t${tenant}`);
    const [timer] = clock.timers;
    timer!.task();
    await settled();
    expect(store.rows.size).toBe(4_096);
    waitOf('t0');
    await snapshots[Symbol.asyncDispose]();
    expect(store.rows.get('tenant/t0')).toEqual({ requests: 2, bytes: 0 });
    expect(store.rows.size).toBe(5_000);
  });

  it('writes a row anew when any number in it has changed, and no other', async () => {
    const store = new MapStore();
    const { waitOf, snapshots, clock } = startOn(store, { requests_per_second: 1, writes_per_second: 0.001 });
    const fire = async () => {
      const [timer] = clock.timers;
      clock.timers.clear();
      timer!.task();
      await settled();
      return store.writes.at(-1);
    };
    waitOf('t', everything, 'writes');
    waitOf('other');
    expect(await fire()).toBe(2);
    expect(await fire()).toBe(0);
    clock.nowMs += 1_000;
    waitOf('t', everything, 'writes');
    waitOf('other');
    expect(await fire()).toBe(1);
    expect(store.rows.get('tenant/t')).toMatchObject({ requests: 1, classes: { writes: { requests: 2 } } });
    waitOf('other');
    expect(await fire()).toBe(1);
    await snapshots[Symbol.asyncDispose]();
  });

  it('that fails is told, and the next one is tried', async () => {
    const store = new MapStore();
    store.failure = new Error('the disk is full');
    const { waitOf, warnings, snapshots, clock } = startOn(store);
    waitOf();
    const [timer] = clock.timers;
    timer!.task();
    await settled();
    expect(warnings).toEqual([{ err: store.failure }]);
    store.failure = undefined;
    await snapshots[Symbol.asyncDispose]();
    expect(store.rows.size).toBe(1);
  });
});
