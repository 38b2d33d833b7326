import { createSimEnv } from '@ron/kernel/sim';
import type { RevocationEntry, RevocationPage } from '@ron/proto/capability';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Bench, createBench, everything } from './fixtures/bench.ts';
import { createRevocationList } from './revocation.ts';
import {
  createRevocationFollower,
  type FollowerState,
  type RevocationFollower,
  revocationStaleMs,
  revocationWaitMs,
} from './revocation-follower.ts';

/** A feed as svc-passport keeps it: a list, a counter, and those who wait. */
class Feed {
  entries: RevocationEntry[] = [];
  feed: string | undefined = 'life-1';
  seq = 0;
  mode: 'answers' | 'fails' | 'hangs' = 'answers';
  asked: { since: number; waitMs: number; atMs: number }[] = [];
  page: ((since: number) => RevocationPage) | undefined;
  #wakers = new Set<() => void>();
  readonly #env: Bench['env'];

  constructor(env: Bench['env']) {
    this.#env = env;
  }

  add(...entries: object[]): void {
    for (const entry of entries) this.entries.push({ ...entry, seq: ++this.seq } as RevocationEntry);
    for (const wake of this.#wakers) wake();
  }

  async since(since: number, waitMs: number, signal: AbortSignal): Promise<RevocationPage> {
    this.asked.push({ since, waitMs, atMs: this.#env.clock.monotonicMs() });
    if (this.mode === 'fails') throw new Error('connection refused');
    if (this.mode === 'hangs' || (since === this.seq && waitMs > 0)) {
      await new Promise<void>((resolve) => {
        this.#wakers.add(resolve);
        signal.addEventListener('abort', () => resolve());
        if (this.mode !== 'hangs') this.#env.clock.after(waitMs, resolve);
      });
    }
    if (this.page !== undefined) return this.page(since);
    const entries = this.entries.filter(({ seq }) => seq > since).slice(0, 1000);
    return { seq: entries.at(-1)?.seq ?? this.seq, entries, ...(this.feed === undefined ? {} : { feed: this.feed }) };
  }
}

const idOf = (number: number) => `019ab4f2-c400-7abc-8def-${String(number).padStart(12, '0')}`;
const ofId = (number: number) => ({ kid: 'k', id: idOf(number), tenant: 't', subject: 's', audience: 'a' });

let bench: Bench;
let feed: Feed;
let follower: RevocationFollower;
let states: FollowerState[];
let faults: unknown[];

function follow(list = bench.authority.revocations) {
  states = [];
  faults = [];
  follower = createRevocationFollower({
    source: feed,
    list,
    env: bench.env,
    onState: (state) => states.push(state),
    onFault: (error) => faults.push(error),
  });
}
const pass = (ms: number) => bench.env.scheduler.runFor(ms);

beforeEach(async () => {
  bench = await createBench();
  feed = new Feed(bench.env);
});
afterEach(() => follower[Symbol.asyncDispose]());

describe('revocations that are heard', () => {
  test('are effective with the next use, for tokens that are known already', async () => {
    follow();
    await pass(10);
    const issue = (subject: string) => bench.authority.issue({ tenant: 't', subject, rights: everything });
    const [byId, bySubject, survivor] = [await issue('a'), await issue('b'), await issue('c')];
    for (const { token } of [byId, bySubject, survivor]) expect(await bench.verdict(token)).toBe('accepted');
    feed.add(
      { kind: 'capability', id: byId.id },
      { kind: 'subject', tenant: 't', subject: 'b', minted_until: bench.env.clock.wallMs() },
    );
    await pass(0);
    expect(await bench.verdict(byId.token)).toBe('revoked');
    expect(await bench.verdict(bySubject.token)).toBe('revoked');
    expect(await bench.verdict(survivor.token)).toBe('accepted');
    expect(follower.seq).toBe(2);
    feed.add({ kind: 'key', kid: survivor.kid });
    await pass(0);
    expect(await bench.verdict(survivor.token)).toBe('revoked');
  });

  test('pages of 1,000 follow each other at once, and a pruned history is no gap', async () => {
    feed.add(...Array.from({ length: 3500 }, (_, number) => ({ kind: 'capability', id: idOf(number) })));
    feed.entries = feed.entries.filter(({ seq }) => seq % 3 !== 0);
    const list = createRevocationList(bench.env.clock);
    follow(list);
    await pass(0);
    expect(follower).toMatchObject({ seq: 3500, state: 'following' });
    expect(feed.asked.map(({ since }) => since).slice(0, 4)).toEqual([0, 1499, 2999, 3500]);
    expect([0, 2, 3499].map((number) => list.isRevoked(ofId(number)))).toEqual([true, false, true]);
  });

  test('a quiet feed is asked every 10 s, not more', async () => {
    follow();
    await pass(60_000);
    expect(feed.asked.length).toBeLessThanOrEqual(8);
    expect(feed.asked.slice(1).every(({ waitMs }) => waitMs === revocationWaitMs)).toBe(true);
  });

  test('a feed that does not wait is not asked in a tight loop', async () => {
    feed.page = () => ({ seq: 0, entries: [] });
    feed.seq = 1;
    follow();
    await pass(10_000);
    expect(feed.asked.length).toBeLessThan(100);
    expect(follower.refusal()).toBeUndefined();
  });
});

describe('mutations', () => {
  test('are refused until the feed is heard for the first time, which does not take its waiting time', async () => {
    follow();
    expect(follower.refusal()).toBe('the revocation feed has not been heard yet');
    await pass(0);
    expect(follower.refusal()).toBeUndefined();
    expect(states).toEqual(['following']);
  });

  test.each(['fails', 'hangs'] as const)(
    'are refused from 30 s after a feed that %s was last heard, and healed',
    async (mode) => {
      follow();
      await pass(revocationWaitMs);
      const heardMs = follower.lastHeardMs!;
      feed.mode = mode;
      await pass(heardMs + revocationStaleMs - 1 - bench.env.clock.monotonicMs());
      // The question that was asked before the fault is answered in its time: measured from that answer.
      const lastMs = follower.lastHeardMs!;
      await pass(lastMs + revocationStaleMs - 1 - bench.env.clock.monotonicMs());
      expect(follower.refusal()).toBeUndefined();
      await pass(1);
      expect(follower.refusal()).toBe('the revocation feed has been silent for 30 s');
      expect(states).toEqual(['following', 'stale']);
      feed.mode = 'answers';
      await pass(16_000);
      expect(follower.refusal()).toBeUndefined();
      expect(states).toEqual(['following', 'stale', 'following']);
      expect(faults.length).toBeGreaterThan(0);
    },
  );

  test('do not depend on the wall clock', async () => {
    follow();
    await pass(1);
    bench.env.clock.jumpWall(3_600_000);
    expect(follower.refusal()).toBeUndefined();
    bench.env.clock.jumpWall(-7_200_000);
    expect(follower.refusal()).toBeUndefined();
  });

  test('retries are spread over a second', async () => {
    feed.mode = 'fails';
    follow();
    await pass(60_000);
    const gaps = feed.asked.slice(1).map(({ atMs }, index) => atMs - feed.asked[index]!.atMs);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1000);
    expect(new Set(gaps.map(Math.round)).size).toBeGreaterThan(10);
    expect(feed.asked.length).toBeGreaterThan(60);
    expect(follower.refusal()).toBe('the revocation feed has not been heard yet');
  });

  test('are refused while the list cannot hold what was heard, and not after', async () => {
    const list = createRevocationList(bench.env.clock, 2);
    const until = bench.env.clock.wallMs() + 1000;
    follow(list);
    feed.add(...[1, 2, 3].map((number) => ({ kind: 'capability', id: idOf(number), until })));
    await pass(1000);
    expect(follower.refusal()).toBe('the revocation list is full');
    expect(follower.seq).toBe(2);
    await pass(125_000);
    expect(follower.refusal()).toBeUndefined();
    expect(list.isRevoked(ofId(3))).toBe(true);
  });
});

describe('a source that is not the one it was', () => {
  const revoked = (number: number) => ({ kind: 'capability', id: idOf(number) });

  test.each([
    ['began anew with less', (other: Feed) => other.add(revoked(10))],
    ['began anew and has passed the old number', (other: Feed) => other.add(...[10, 11, 12, 13, 14].map(revoked))],
  ])('that %s is read from the beginning; nothing heard before is forgotten', async (_name, fill) => {
    const list = createRevocationList(bench.env.clock);
    feed.add(...[1, 2, 3].map(revoked));
    follow(list);
    await pass(1);
    expect(follower.seq).toBe(3);
    feed.entries = [];
    feed.seq = 0;
    feed.feed = 'life-2';
    fill(feed);
    await pass(2000);
    expect(feed.asked.filter(({ since }) => since === 0)).toHaveLength(2);
    expect(follower.seq).toBe(feed.seq);
    for (const number of [1, 2, 3, 10]) expect(list.isRevoked(ofId(number)), String(number)).toBe(true);
    expect(follower.refusal()).toBeUndefined();
  });

  test('that lost an entry is read from the beginning', async () => {
    const list = createRevocationList(bench.env.clock);
    feed.feed = undefined;
    feed.add(revoked(1));
    follow(list);
    await pass(1);
    // What the gap hid is there when it is asked for everything.
    const hidden = { ...revoked(2), seq: 2 } as RevocationEntry;
    let gap = true;
    feed.page = (since) => {
      const all = [
        ...feed.entries,
        ...(gap && since > 0 ? [] : [hidden]),
        { ...revoked(3), seq: 3 } as RevocationEntry,
      ];
      if (since === 0) gap = false;
      const entries = all.filter(({ seq }) => seq > since).sort((a, b) => a.seq - b.seq);
      return { seq: 3, entries };
    };
    feed.seq = 3;
    await pass(20_000);
    expect([1, 2, 3].map((number) => list.isRevoked(ofId(number)))).toEqual([true, true, true]);
    expect(follower.seq).toBe(3);
  });

  test('that answers all it has, and ends before what was heard, is read from the beginning', async () => {
    const list = createRevocationList(bench.env.clock);
    feed.feed = undefined;
    feed.add(...[1, 2, 3].map(revoked));
    follow(list);
    await pass(1);
    feed.page = () => ({ seq: 1, entries: [{ ...revoked(10), seq: 1 } as RevocationEntry], full: true });
    feed.seq = 1;
    await pass(15_000);
    expect(feed.asked.filter(({ since }) => since === 0)).toHaveLength(2);
    expect(list.isRevoked(ofId(10))).toBe(true);
  });

  test('a full page is no gap', async () => {
    feed.feed = undefined;
    feed.add(revoked(1));
    const list = createRevocationList(bench.env.clock);
    follow(list);
    await pass(1);
    feed.page = () => ({ seq: 9, entries: [{ ...revoked(9), seq: 9 } as RevocationEntry], full: true });
    feed.seq = 9;
    await pass(20_000);
    expect(feed.asked.filter(({ since }) => since === 0)).toHaveLength(1);
    expect(list.isRevoked(ofId(9))).toBe(true);
  });
});

test('a follower that is disposed asks no more, and leaves no timer', async () => {
  follow();
  await pass(1);
  feed.mode = 'hangs';
  await pass(20_000);
  await bench.env.scheduler.settle(Promise.resolve(follower[Symbol.asyncDispose]()));
  const { length } = feed.asked;
  await pass(60_000);
  expect(feed.asked).toHaveLength(length);
  expect(states).not.toContain('stale');
});

test('two followers of one seed act alike', async () => {
  const run = async () => {
    const env = createSimEnv({ seed: 7 });
    const local = new Feed(env as Bench['env']);
    local.mode = 'fails';
    const one = createRevocationFollower({ source: local, list: createRevocationList(env.clock), env });
    await env.scheduler.runFor(5000);
    await one[Symbol.asyncDispose]();
    return local.asked;
  };
  follow();
  expect(await run()).toEqual(await run());
});
