import type { Change, Head, NameEngine, NameRecord } from '@ron/svc-index/service';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/** Makes an engine on the suite's current storage; a durable one finds there what the engine before it kept. */
export interface EngineUnderTest {
  open(): Promise<NameEngine>;
  /** Empty storage for the next test. */
  reset(): Promise<void>;
}

const namesMax = 1_000;
const address = (seed: number) => `b3:${seed.toString(16).padStart(64, '0')}`;

function recordOf(name: string, version: number, seed = version): NameRecord {
  return {
    name,
    address: address(seed),
    version,
    prev: version === 1 ? null : address(version - 1),
    updated_at: version,
    owner: 'node/names/ed25519/0192f3a0-0000-7000-8000-000000000001#1',
    signature: 'c2ln',
  };
}

function setting(name: string, version: number, more: Partial<Change> = {}): Change {
  const head = { record: recordOf(name, version), removed: false };
  return { expectedVersion: version - 1, expectedRemoved: false, head, versionsMax: 100, namesMax, ...more };
}

function removing(head: Head): Change {
  const { record, removed } = head;
  const after = { record, removed: true };
  return { expectedVersion: record.version, expectedRemoved: removed, head: after, versionsMax: 100, namesMax };
}

const nameOf = (head: Head) => head.record.name;

/** What every engine of names must do. */
export function indexEngineSuite(title: string, under: EngineUnderTest): void {
  let engine: NameEngine;
  beforeEach(async () => {
    await under.reset();
    engine = await under.open();
  });
  afterEach(() => engine[Symbol.asyncDispose]());

  describe(`${title}: changes`, () => {
    test('a name is there after the change, and only that one', async () => {
      expect(await engine.change(setting('a', 1))).toBe('done');
      expect(await engine.head('a')).toEqual({ record: recordOf('a', 1), removed: false });
      expect(await engine.head('b')).toBeUndefined();
      expect(await engine.size()).toBe(1);
      expect(engine.failure).toBeUndefined();
    });

    test.each([0, 1, 3])('the wrong expected version %i changes nothing', async (expectedVersion) => {
      for (const version of [1, 2]) await engine.change(setting('a', version));
      expect(await engine.change(setting('a', 3, { expectedVersion }))).toBe('stale');
      expect((await engine.head('a'))?.record.version).toBe(2);
      expect(await engine.history('a', 99, 99)).toHaveLength(2);
    });

    test('a removed name keeps its version, its history and its place', async () => {
      await engine.change(setting('a', 1));
      const head = (await engine.head('a'))!;
      expect(await engine.change(removing(head))).toBe('done');
      expect(await engine.head('a')).toEqual({ record: head.record, removed: true });
      expect(await engine.history('a', 99, 99)).toEqual([head.record]);
      expect((await engine.list('', undefined, 9)).map((each) => each.removed)).toEqual([true]);
      expect(await engine.change(setting('a', 1))).toBe('stale');
      expect(await engine.change(setting('a', 2))).toBe('stale');
      expect(await engine.change(setting('a', 2, { expectedRemoved: true }))).toBe('done');
      expect(await engine.change(removing({ record: recordOf('a', 2), removed: true }))).toBe('stale');
      expect(await engine.head('a')).toEqual({ record: recordOf('a', 2), removed: false });
      expect(await engine.size()).toBe(1);
    });

    test('the names past the budget are refused, one below and at it are not', async () => {
      for (const [index, name] of ['a', 'b', 'c'].entries()) {
        expect(await engine.change(setting(name, 1, { namesMax: 2 }))).toBe(index < 2 ? 'done' : 'full');
      }
      expect(await engine.change(setting('a', 2, { namesMax: 2 }))).toBe('done');
      expect(await engine.head('c')).toBeUndefined();
      expect(await engine.size()).toBe(2);
    });

    test.each([1, 2, 3])('%i versions are kept, the latest included', async (versionsMax) => {
      for (let version = 1; version <= 3; version += 1) await engine.change(setting('a', version, { versionsMax }));
      const kept = [3, 2, 1].slice(0, versionsMax);
      expect((await engine.history('a', 99, 99)).map((record) => record.version)).toEqual(kept);
      expect((await engine.versions(undefined, 99)).map((record) => record.version).sort()).toEqual(kept.reverse());
    });

    test('of changes at once with the same expectation exactly one is done', async () => {
      for (let round = 1; round <= 5; round += 1) {
        const rivals = Array.from({ length: 16 }, (_, seed) => {
          const head = { record: recordOf('a', round, seed), removed: false };
          return engine.change(setting('a', round, { head }));
        });
        const outcomes = await Promise.all(rivals);
        expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1);
        const winner = outcomes.indexOf('done');
        expect((await engine.head('a'))?.record.address).toBe(address(winner));
      }
    });

    test('under any interleaving of readers that then write, no update is lost', async () => {
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), fc.uuid(), async (scheduler, name) => {
          const increments = 4;
          const client = async () => {
            for (;;) {
              const version = (await scheduler.schedule(Promise.resolve(engine.head(name))))?.record.version ?? 0;
              if ((await scheduler.schedule(engine.change(setting(name, version + 1)))) === 'done') return;
            }
          };
          await scheduler.waitFor(Promise.all(Array.from({ length: increments }, client)));
          expect((await engine.head(name))?.record.version).toBe(increments);
          expect(await engine.history(name, 99, 99)).toHaveLength(increments);
        }),
        { numRuns: 15 },
      );
    });
  });

  describe(`${title}: reading`, () => {
    // In the byte order of UTF-8; the order of JavaScript strings would put the last before the one above it.
    const ordered = ['a', 'a-b', 'a/b', 'a/b/c', 'ab', 'b', 'é', 'ﬀ', '𐀀'];

    test('lists in byte order, from any cursor, under any prefix', async () => {
      for (const name of ordered.toReversed()) await engine.change(setting(name, 1));
      expect((await engine.list('', undefined, 99)).map(nameOf)).toEqual(ordered);
      for (const [index, name] of ordered.entries()) {
        expect((await engine.list('', name, 2)).map(nameOf), name).toEqual(ordered.slice(index + 1, index + 3));
      }
      expect((await engine.list('a/', undefined, 99)).map(nameOf)).toEqual(['a/b', 'a/b/c']);
      expect((await engine.list('a', 'a-b', 2)).map(nameOf)).toEqual(['a/b', 'a/b/c']);
      expect((await engine.list('a/', 'a', 99)).map(nameOf)).toEqual(['a/b', 'a/b/c']);
      expect(await engine.list('a/', 'a/b/c', 99)).toEqual([]);
      expect(await engine.list('zz', undefined, 99)).toEqual([]);
      expect((await engine.list('𐀀', undefined, 99)).map(nameOf)).toEqual(['𐀀']);
    });

    test('history goes down from any version, of one name only', async () => {
      for (const name of ['a', 'a/b', 'b']) {
        for (let version = 1; version <= 5; version += 1) await engine.change(setting(name, version));
      }
      const versionsOf = async (below: number, limit: number) =>
        (await engine.history('a', below, limit)).map((record) => `${record.name}${record.version}`);
      expect(await versionsOf(Number.MAX_SAFE_INTEGER, 99)).toEqual(['a5', 'a4', 'a3', 'a2', 'a1']);
      expect(await versionsOf(5, 2)).toEqual(['a4', 'a3']);
      expect(await versionsOf(1, 9)).toEqual([]);
      expect(await engine.history('c', 99, 9)).toEqual([]);
    });

    test('the walk over all versions meets each exactly once, whatever the page', async () => {
      for (const name of ordered) {
        for (let version = 1; version <= 3; version += 1) await engine.change(setting(name, version));
      }
      await engine.change(removing((await engine.head('b'))!));
      for (const limit of [1, 2, 7, 99]) {
        const seen: string[] = [];
        let page = await engine.versions(undefined, limit);
        while (page.length > 0) {
          seen.push(...page.map((record) => `${record.name}#${record.version}`));
          page = await engine.versions(page.at(-1), limit);
        }
        expect(seen.length).toBe(ordered.length * 3);
        expect(new Set(seen).size).toBe(seen.length);
      }
    });
  });

  test(`${title}: behaves as the model does`, async () => {
    const name = fc.constantFrom('a', 'a/b', 'b', 'é', '𐀀');
    const step = fc.record({
      kind: fc.constantFrom('set', 'set', 'set', 'remove', 'stale', 'reopen'),
      name,
      versionsMax: fc.integer({ min: 1, max: 3 }),
      namesMax: fc.integer({ min: 2, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        await engine[Symbol.asyncDispose]();
        await under.reset();
        engine = await under.open();
        const model = new Map<string, { head: Head; versions: NameRecord[] }>();
        for (const { kind, name: target, versionsMax, namesMax: budget } of steps) {
          const known = model.get(target);
          const version = known?.head.record.version ?? 0;
          if (kind === 'reopen') {
            if (engine.durability !== 'fsync') continue;
            await engine[Symbol.asyncDispose]();
            engine = await under.open();
          } else if (kind === 'stale') {
            const change = setting(target, version + 2);
            expect(await engine.change(change)).toBe('stale');
          } else if (kind === 'remove') {
            if (known === undefined) continue;
            expect(await engine.change({ ...removing(known.head), versionsMax: 100 })).toBe('done');
            known.head = { ...known.head, removed: true };
          } else {
            const expectedRemoved = known?.head.removed ?? false;
            const change = setting(target, version + 1, { expectedRemoved, versionsMax, namesMax: budget });
            const fits = known !== undefined || model.size < budget;
            expect(await engine.change(change)).toBe(fits ? 'done' : 'full');
            if (!fits) continue;
            const versions = [...(known?.versions ?? []), change.head.record].slice(-versionsMax);
            model.set(target, { head: change.head, versions });
          }
        }
        expect(await engine.size()).toBe(model.size);
        for (const [target, { head, versions }] of model) {
          expect(await engine.head(target)).toEqual(head);
          expect(await engine.history(target, Number.MAX_SAFE_INTEGER, 99)).toEqual(versions.toReversed());
        }
        expect((await engine.list('', undefined, 99)).map(nameOf)).toEqual(
          [...model.keys()].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))),
        );
      }),
      { numRuns: 25 },
    );
  });
}
