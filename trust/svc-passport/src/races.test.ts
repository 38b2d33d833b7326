import type { Authority } from '@ron/auth';
import { createRamTable, type Table } from '@ron/journal';
import { createSimEnv } from '@ron/kernel/sim';
import type { Passport } from '@ron/proto/passport';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PassportValue } from './service.ts';
import { codeOf, startNode, type TestNode } from './testing/node.ts';

const rights = [{ methods: ['read' as const], prefix: 'n/docs' }];
const runs = { numRuns: 150, seed: 4 };

/** Everything that a refresh waits for happens in an order of the scheduler's choice, once `racing` is set. */
interface Race {
  scheduler: fc.Scheduler | undefined;
}

function late<T>(race: Race, what: string, work: () => Promise<T>): Promise<T> {
  const { scheduler } = race;
  return scheduler === undefined ? work() : scheduler.schedule(Promise.resolve(), what).then(work);
}

async function start(race: Race): Promise<{ node: TestNode; admin: Passport; first: Passport }> {
  const env = createSimEnv({ seed: 'races' });
  const inner = createRamTable<PassportValue>({ entriesMax: 1_000 });
  const table: Table<PassportValue> = {
    get size() {
      return inner.size;
    },
    failed: undefined,
    get: (key) => inner.get(key),
    entries: (prefix) => inner.entries(prefix),
    transact: (decide, options) => late(race, 'store', () => inner.transact(decide, options)),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
  const slowly = (authority: Authority): Authority => ({
    mint: (request) => authority.mint(request),
    issue: (request) => late(race, 'sign', () => authority.issue(request)),
    verify: (token, caller) => authority.verify(token, caller),
    revocations: authority.revocations,
    chains: authority.chains,
  });
  const node = await startNode({ env, table, through: slowly });
  const admin = await node.admin();
  const first = await node.call('issue', { subject: 'ann', rights }, { token: admin.capability });
  return { node, admin, first };
}

/** A passport, or the code of the refusal. */
const outcomeOf = (task: Promise<Passport>) => task.catch((error: { code: string }) => error.code);

async function isDead(node: TestNode, { capability, refresh_token }: Passport): Promise<boolean> {
  const refreshed = await codeOf(() => node.start('refresh', { refresh_token }));
  return (await node.verdict(capability)) === 'unauthenticated' && refreshed === 'unauthenticated';
}

describe('in every order', () => {
  test('of two refreshes with one token at most one wins, and then the family is over', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 4 }), async (scheduler, count) => {
        const race: Race = { scheduler: undefined };
        const { node, first } = await start(race);
        race.scheduler = scheduler;
        const input = { refresh_token: first.refresh_token };
        const tasks = Array.from({ length: count }, (_, index) =>
          outcomeOf(node.start('refresh', input, index % 2 === 0 ? {} : { key: `k${index}` })),
        );
        const outcomes = await scheduler.waitFor(Promise.all(tasks));
        race.scheduler = undefined;
        const won = outcomes.filter((each) => typeof each === 'object');
        expect(won).toHaveLength(1);
        expect(outcomes.filter((each) => each === 'unauthenticated')).toHaveLength(count - 1);
        for (const passport of [first, ...won]) expect(await isDead(node, passport)).toBe(true);
        expect(node.metrics.read('passport_refresh_reuse_total')).toBe(1);
      }),
      runs,
    );
  });

  test('two refreshes with one token and one Idempotency-Key get the same good answer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const race: Race = { scheduler: undefined };
        const { node, first } = await start(race);
        race.scheduler = scheduler;
        const call = () => node.start('refresh', { refresh_token: first.refresh_token }, { key: 'k' });
        const [one, two] = await scheduler.waitFor(Promise.all([call(), call()]));
        race.scheduler = undefined;
        expect(one).toEqual(two);
        expect(await node.verdict(one.capability)).toBe('ok');
        expect(node.metrics.read('passport_refresh_reuse_total')).toBe(0);
      }),
      runs,
    );
  });

  test('a passport issued beside the revocation of its subject is good or dead, never half of each', async () => {
    const seen = { good: 0, dead: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const race: Race = { scheduler: undefined };
        const { node, admin } = await start(race);
        race.scheduler = scheduler;
        const as = { token: admin.capability };
        const issuing = outcomeOf(node.start('issue', { subject: 'ann', rights }, as));
        const [issued] = await scheduler.waitFor(Promise.all([issuing, node.start('revoke', { subject: 'ann' }, as)]));
        race.scheduler = undefined;
        if (typeof issued === 'string') {
          expect(issued).toBe('unavailable');
          seen.refused += 1;
          return;
        }
        const isGood = (await node.verdict(issued.capability)) === 'ok';
        const refreshing = node.call('refresh', { refresh_token: issued.refresh_token });
        expect(await codeOf(() => refreshing)).toBe(isGood ? 'ok' : 'unauthenticated');
        seen[isGood ? 'good' : 'dead'] += 1;
      }),
      runs,
    );
    expect(seen.dead).toBeGreaterThan(5);
    expect(seen.refused).toBeGreaterThan(5);
  });

  test.each(['family', 'subject'] as const)(
    'after revoke by %s has answered nothing of the family is accepted',
    async (by) => {
      const seen = { refreshed: 0, refused: 0 };
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), async (scheduler) => {
          const race: Race = { scheduler: undefined };
          const { node, admin, first } = await start(race);
          race.scheduler = scheduler;
          const input = by === 'family' ? { family: first.family } : { subject: 'ann' };
          const held: Passport[] = [first];
          const refreshing = async () => {
            // A client that goes on for as long as it can.
            for (let last = first; ; ) {
              const next = await outcomeOf(node.start('refresh', { refresh_token: last.refresh_token }));
              if (typeof next === 'string' || held.length > 4) return;
              held.push(next);
              last = next;
            }
          };
          let acceptedAfter = 0;
          const revoking = node.start('revoke', input, { token: admin.capability }).then(async () => {
            for (const { capability } of held) if ((await node.verdict(capability)) === 'ok') acceptedAfter += 1;
          });
          await scheduler.waitFor(Promise.all([refreshing(), revoking]));
          race.scheduler = undefined;
          expect(acceptedAfter).toBe(0);
          for (const passport of held) expect(await isDead(node, passport)).toBe(true);
          seen[held.length > 1 ? 'refreshed' : 'refused'] += 1;
        }),
        runs,
      );
      // Both orders were among them.
      expect(Math.min(seen.refreshed, seen.refused)).toBeGreaterThan(5);
    },
  );
});

test('a subject’s revocation ends a family that the same batch of the store has just made', async () => {
  const env = createSimEnv({ seed: 'one batch' });
  const inner = createRamTable<PassportValue>({ entriesMax: 1_000 });
  let held: (() => void)[] | undefined;
  const table: Table<PassportValue> = {
    get size() {
      return inner.size;
    },
    failed: undefined,
    get: (key) => inner.get(key),
    entries: (prefix) => inner.entries(prefix),
    // Without `urgent`, which happens to keep a revocation out of the batch of an issue.
    transact: (decide) =>
      new Promise((resolve, reject) => {
        const run = () => void inner.transact(decide).then(resolve, reject);
        if (held === undefined) run();
        else held.push(run);
      }),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
  const node = await startNode({ env, table });
  const { capability: token } = await node.admin();
  held = [];
  const issuing = node.start('issue', { subject: 'ann', rights }, { token });
  await env.scheduler.runFor(100);
  const revoking = node.start('revoke', { subject: 'ann' }, { token });
  await env.scheduler.runFor(100);
  expect(held).toHaveLength(2);
  for (const run of held) run();
  held = undefined;
  const [passport] = await env.scheduler.settle(Promise.all([issuing, revoking]));
  expect(await node.verdict(passport.capability)).toBe('unauthenticated');
  const refreshing = node.call('refresh', { refresh_token: passport.refresh_token });
  expect(await codeOf(() => refreshing)).toBe('unauthenticated');
});
