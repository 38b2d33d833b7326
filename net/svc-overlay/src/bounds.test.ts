import { createSimEnv } from '@ron/kernel/sim';
import type { NodeRecord, Update } from '@ron/proto/overlay';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeenWindow } from './gossip/seen-window.ts';
import { MemberTable } from './membership/member-table.ts';
import { News } from './membership/news.ts';
import { Bans, offendersMax } from './peers/bans.ts';
import { ProviderQuality, providersMax } from './peers/provider-quality.ts';

const idOf = (index: number) => index.toString(16).padStart(64, '0');
const recordOf = (index: number) => ({ id: idOf(index), incarnation: 1 }) as NodeRecord;

describe('the member table', () => {
  test('keeps its bound, its counts and its ring, whatever happens', async () => {
    const step = fc.record({
      index: fc.nat(30),
      what: fc.constantFrom('add', 'suspect', 'dead', 'left', 'alive', 'forget', 'walk'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 150 }), fc.nat(), async (steps, seed) => {
        const env = createSimEnv({ seed });
        const table = new MemberTable(env, () => 16);
        for (const { index, what } of steps) {
          const member = table.get(idOf(index));
          await env.scheduler.runFor(10);
          if (what === 'add') member ?? table.add(recordOf(index));
          else if (what === 'forget') table.forgetGone(index * 10);
          else if (what === 'walk') table.nextInRing(() => true);
          else if (member !== undefined) table.setState(member, what);
          const states = [...table.values()].map(({ state }) => state);
          expect(table.size).toBeLessThanOrEqual(16);
          for (const state of ['alive', 'suspect', 'dead', 'left'] as const) {
            expect(table.counts[state]).toBe(states.filter((each) => each === state).length);
          }
        }
        // From the begin of a round on, each present member comes once.
        const present = [...table.values()].filter(({ state }) => state === 'alive' || state === 'suspect');
        const ids = () => Array.from({ length: present.length }, () => table.nextInRing(() => true)!.record.id);
        for (let skipped = 0; skipped < 400 && table.ringLeft > 0; skipped++) table.nextInRing(() => true);
        if (table.ringLeft === 0) expect(new Set(ids()).size).toBe(present.length);
        expect(new Set(table.sample(5, () => true)).size).toBe(Math.min(5, present.length));
      }),
    );
  });

  test('full of present members takes nobody; the longest gone makes place', () => {
    const env = createSimEnv({ seed: 1 });
    const table = new MemberTable(env, () => 2);
    const [one, two] = [table.add(recordOf(1))!, table.add(recordOf(2))!];
    expect(table.add(recordOf(3))).toBeUndefined();
    table.setState(two, 'dead');
    table.setState(one, 'dead');
    expect(table.add(recordOf(3))).toBeDefined();
    expect([table.get(idOf(1)), table.get(idOf(2))]).toEqual([one, undefined]);
  });
});

describe('news', () => {
  const updateOf = (index: number): Update => ({ record: recordOf(index) });

  test('is given a bounded number of times each, the never sent first, and none twice in one message', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(20), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        (ids, page) => {
          const news = new News(
            () => 3,
            () => undefined,
          );
          const sent = new Map<string, number>();
          for (const index of ids) {
            news.put(idOf(index), updateOf(index), false);
            sent.set(idOf(index), 0);
            const taken = news.take(page).map((update) => ('record' in update ? update.record.id : ''));
            expect(taken[0]).toBe(idOf(index));
            expect(new Set(taken).size).toBe(taken.length);
            expect(taken.length).toBeLessThanOrEqual(page);
            for (const id of taken) sent.set(id, sent.get(id)! + 1);
          }
          for (let rest = 0; rest < 200; rest++) {
            for (const update of news.take(page))
              if ('record' in update) sent.set(update.record.id, sent.get(update.record.id)! + 1);
          }
          expect([...sent.values()].every((times) => times === 3)).toBe(true);
          expect(news.size).toBe(0);
        },
      ),
    );
  });
});

test('the window of messages never forgets one that could still come', async () => {
  const steps = fc.array(fc.record({ waitMs: fc.nat(20_000), agesMs: fc.nat(60_000), origin: fc.nat(3) }), {
    maxLength: 80,
  });
  await fc.assert(
    fc.asyncProperty(steps, async (messages) => {
      const env = createSimEnv({ seed: 1 });
      const window = new SeenWindow(env.clock, () => 32);
      const taken: { id: string; issuedAtMs: number }[] = [];
      for (const [at, { waitMs, agesMs, origin }] of messages.entries()) {
        await env.scheduler.runFor(waitMs);
        const issuedAtMs = env.clock.wallMs() - agesMs;
        if (window.hasRoomFor(idOf(origin))) {
          window.add(String(at), idOf(origin), issuedAtMs);
          taken.push({ id: String(at), issuedAtMs });
        }
        expect(window.size).toBeLessThanOrEqual(32);
        for (const { id, issuedAtMs: from } of taken)
          if (env.clock.wallMs() - from <= 120_000) expect(window.has(id)).toBe(true);
      }
    }),
  );
});

describe('bans', () => {
  const limits = { ban_threshold: 100, ban_half_life_ms: 600_000, ban_ms: 3_600_000 };

  test('come from repeated offences, decay with time, and end', async () => {
    const env = createSimEnv({ seed: 1 });
    const banned: string[] = [];
    const bans = new Bans(
      env.clock,
      () => limits,
      ({ id }) => banned.push(id),
    );
    bans.offend('a', 'bad_signature');
    await env.scheduler.runFor(600_000);
    bans.offend('a', 'bad_signature');
    expect(bans.isBanned('a')).toBe(false);
    bans.offend('a', 'bad_signature');
    expect([bans.isBanned('a'), banned]).toEqual([true, ['a']]);
    expect(bans.list()).toEqual([{ id: 'a', reason: 'bad_signature', until: env.clock.wallMs() + 3_600_000 }]);
    await env.scheduler.runFor(3_600_001);
    expect([bans.isBanned('a'), bans.list()]).toEqual([false, []]);
  });

  test('wrong bytes are one offence too many; an operator lifts it', () => {
    const bans = new Bans(
      createSimEnv({ seed: 1 }).clock,
      () => limits,
      () => undefined,
    );
    bans.offend('a', 'wrong_bytes');
    expect(bans.isBanned('a')).toBe(true);
    expect([bans.unban('a'), bans.unban('a'), bans.isBanned('a')]).toEqual([true, false, false]);
  });

  test('are kept before scores when there are too many', () => {
    const bans = new Bans(
      createSimEnv({ seed: 1 }).clock,
      () => limits,
      () => undefined,
    );
    bans.ban('operator’s', 'operator', 1_000);
    for (let index = 0; index < offendersMax + 100; index++) bans.offend(idOf(index), 'malformed');
    expect([bans.size, bans.isBanned('operator’s')]).toEqual([offendersMax, true]);
  });
});

describe('the quality of providers', () => {
  test('ranks the fast before the slow, the unknown before the failing', () => {
    const quality = new ProviderQuality();
    for (let count = 0; count < 5; count++) {
      quality.succeeded('fast', 50_000_000, 1_000);
      quality.succeeded('slow', 50_000, 1_000);
      quality.succeeded('failing', 50_000_000, 1_000);
      for (let times = 0; times < 10; times++) quality.failed('failing');
    }
    const ids = ['slow', 'failing', 'unknown', 'fast'].map((id) => ({ id }));
    expect(quality.rank(ids).map(({ id }) => id)).toEqual(['fast', 'unknown', 'failing', 'slow']);
  });

  test('is bounded', () => {
    const quality = new ProviderQuality();
    for (let index = 0; index < providersMax + 10; index++) quality.failed(idOf(index));
    expect(quality.size).toBe(providersMax);
  });
});
