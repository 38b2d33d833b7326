import { sleep } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PlacementPeer } from './choose.ts';
import { Repair } from './repair.ts';
import { type RepairLimits, repairLimitsDefault } from './repair-limits.ts';
import { RepairQueue } from './repair-queue.ts';

const idOf = (index: number) => (Math.imul(index + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0').repeat(8);
const addressOf = (index: number) =>
  `b3:${(Math.imul(index + 7, 0x85ebca6b) >>> 0).toString(16).padStart(8, '0').repeat(8)}`;
const MiB = 1024 * 1024;

/** Nodes in three regions that die, come back, and are cut off from the owner; copies take as long as they are large. */
class World {
  readonly env = createSimEnv({ seed: 1 });
  readonly repair: Repair;
  /** Who really has what. */
  readonly stored = new Map<string, Set<string>>();
  readonly down = new Set<string>();
  copies = 0;
  drops = 0;
  leastAfterDrop = Number.POSITIVE_INFINITY;
  copiedBytes = 0;
  readonly order: string[] = [];
  readonly #nodes: readonly string[];

  constructor(nodes: number, limits: Partial<RepairLimits> = {}) {
    this.#nodes = Array.from({ length: nodes }, (_, index) => idOf(index));
    const { clock } = this.env;
    this.repair = new Repair({
      clock,
      self: undefined,
      limits: () => ({ ...repairLimitsDefault, ...limits }),
      peers: () => this.#nodes.map((id) => this.#peer(id)),
      stateOf: (id) => (this.down.has(id) ? 'dead' : 'alive'),
      copy: async (address, sizeBytes, to, from, signal) => {
        this.copies += 1;
        this.order.push(address);
        await sleep(clock, 10 + sizeBytes / 100_000, signal);
        const source = from.find((id) => !this.down.has(id) && this.stored.get(address)!.has(id));
        if (this.down.has(to) || source === undefined) throw new Error('out of reach');
        this.copiedBytes += sizeBytes;
        this.stored.get(address)!.add(to);
      },
      drop: async (address, node) => {
        this.drops += 1;
        this.stored.get(address)!.delete(node);
        this.leastAfterDrop = Math.min(this.leastAfterDrop, this.living(address));
      },
    });
  }

  #peer(id: string): PlacementPeer {
    const region = ['eu', 'us', 'ap'][this.#nodes.indexOf(id) % 3]!;
    return { id, region, freeBytes: 2 ** 40, state: this.down.has(id) ? 'dead' : 'alive', quality: 1 };
  }

  track(object: number, sizeBytes: number, ...holders: number[]): string {
    const address = addressOf(object);
    this.stored.set(address, new Set(holders.map(idOf)));
    this.repair.track(address, sizeBytes, 3, holders.map(idOf));
    return address;
  }

  set(node: number, isUp: boolean): void {
    if (isUp) this.down.delete(idOf(node));
    else this.down.add(idOf(node));
    this.repair.onPeer(idOf(node), isUp ? 'alive' : 'dead');
  }

  living(address: string): number {
    return [...this.stored.get(address)!].filter((id) => !this.down.has(id)).length;
  }

  run(seconds: number): Promise<void> {
    return this.env.scheduler.runFor(seconds * 1_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.repair[Symbol.dispose]();
    await this.env.scheduler.runUntilIdle();
  }
}

describe('repair', () => {
  test('a new object gets its copies, in other regions', async () => {
    await using world = new World(9);
    const address = world.track(1, MiB, 0);
    await world.run(10);
    expect(world.living(address)).toBe(3);
    expect(
      new Set([...world.stored.get(address)!].map((id) => Array.from({ length: 9 }, (_, i) => idOf(i)).indexOf(id) % 3))
        .size,
    ).toBe(3);
  });

  test('a dead holder is replaced after the grace time and not before; the last copy gets a second one sooner', async () => {
    await using world = new World(9);
    const address = world.track(1, MiB, 0, 1, 2);
    await world.run(5);
    world.set(0, false);
    await world.run(598);
    expect(world.copies).toBe(0);
    await world.run(10);
    expect(world.living(address)).toBe(3);
    const urgent = world.track(2, MiB, 3, 4, 5);
    world.set(3, false);
    world.set(4, false);
    await world.run(40);
    expect(world.living(urgent)).toBe(2);
    await world.run(600);
    expect(world.living(urgent)).toBe(3);
  });

  test('a node that comes and goes moves nothing, and a surplus stays for an hour', async () => {
    await using world = new World(9, { tickMs: 10_000 });
    const address = world.track(1, MiB, 0, 1, 2);
    for (let flap = 0; flap < 20; flap++) {
      world.set(0, false);
      await world.run(500);
      world.set(0, true);
      await world.run(60);
    }
    expect([world.copies, world.drops]).toEqual([0, 0]);
    for (let flap = 0; flap < 20; flap++) {
      world.set(0, false);
      await world.run(700);
      world.set(0, true);
      await world.run(700);
    }
    expect([world.copies, world.drops]).toEqual([1, 0]);
    await world.run(3_700);
    expect([world.living(address), world.drops]).toEqual([3, 1]);
  });

  test('the fewest copies first', async () => {
    await using world = new World(12, { copiesAtOnce: 1 });
    const two = Array.from({ length: 5 }, (_, index) => world.track(index, 10 * MiB, 0, 1));
    const one = Array.from({ length: 5 }, (_, index) => world.track(index + 5, 10 * MiB, 2));
    await world.run(60);
    expect(new Set(world.order.slice(0, 5))).toEqual(new Set(one));
    for (const address of [...one, ...two]) expect(world.living(address)).toBe(3);
  });

  test('the pace holds over any minute', async () => {
    await using world = new World(6);
    for (let object = 0; object < 60; object++) world.track(object, 100 * MiB, 0);
    for (let minute = 1; minute <= 3; minute++) {
      const before = world.copiedBytes;
      await world.run(60);
      expect(world.copiedBytes - before).toBeLessThanOrEqual(61 * 50 * MiB + 4 * 100 * MiB);
    }
    await world.run(120);
    expect(world.repair.status()).toMatchObject({ queued: 0, running: 0, copiedBytes: 60 * 2 * 100 * MiB });
  });

  test('a target that hangs or fails is given up, and another is taken', async () => {
    const env = createSimEnv({ seed: 2 });
    const tried: string[] = [];
    const peers = Array.from({ length: 5 }, (_, index): PlacementPeer => {
      return { id: idOf(index), freeBytes: 2 ** 40, state: 'alive', quality: 1 };
    });
    using repair = new Repair({
      clock: env.clock,
      self: undefined,
      limits: () => repairLimitsDefault,
      peers: () => peers,
      stateOf: () => 'alive',
      copy: async (_address, _size, to) => {
        tried.push(to);
        if (tried.length === 1) await new Promise(() => undefined);
        if (tried.length === 2) throw new Error('full');
      },
      drop: async () => undefined,
    });
    repair.track(addressOf(1), 100, 2, [idOf(0)]);
    await env.scheduler.runFor(180_000);
    expect(new Set(tried).size).toBe(3);
    expect(repair.holdersOf(addressOf(1))).toEqual([idOf(0), tried[2]]);
  });

  test('a full queue loses nothing', async () => {
    await using world = new World(6, { queueMax: 4 });
    const all = Array.from({ length: 40 }, (_, index) => world.track(index, 1_000, 0));
    await world.run(120);
    for (const address of all) expect(world.living(address)).toBe(3);
  });

  test('asked to, it does not wait for the dead, and says when it has tried all', async () => {
    await using world = new World(9);
    const address = world.track(1, MiB, 0, 1, 2);
    await world.run(5);
    world.set(1, false);
    world.set(2, false);
    expect(world.repair.isLacking(address)).toBe(true);
    const end = new AbortController();
    const tried = world.repair.now(end.signal);
    await world.run(10);
    await tried;
    expect([world.living(address), world.copies]).toEqual([3, 2]);
    for (let node = 0; node < 9; node++) world.set(node, false);
    const nothing = world.repair.now(end.signal);
    await world.run(2);
    await nothing;
    for (let node = 0; node < 3; node++) world.set(node, true);
    world.repair.track(address, MiB, 9, []);
    const late = world.repair.now(end.signal).catch((error: unknown) => error);
    end.abort(new Error('late'));
    expect(await late).toMatchObject({ message: 'late' });
  });

  test('what nobody has any more waits for a holder to come back', async () => {
    await using world = new World(6);
    const address = world.track(1, MiB, 0);
    world.set(0, false);
    await world.run(3_600);
    expect(world.copies).toBe(0);
    world.set(0, true);
    await world.run(10);
    expect(world.living(address)).toBe(3);
  });

  test('limits: objectsMax objects are kept, one more is refused; untracked ones are left alone', async () => {
    await using world = new World(6, { objectsMax: 2 });
    world.track(1, 1, 0);
    world.track(2, 1, 0);
    expect(() => world.repair.track(addressOf(3), 1, 3, [])).toThrow('too many objects');
    world.repair.untrack(addressOf(1));
    world.repair.track(addressOf(3), 1, 1, [idOf(0)]);
    await world.run(30);
    expect(world.stored.get(addressOf(1))!.size).toBe(1);
  });

  test('any churn and partitions: never below three by its own hand, and after the heal exactly three again', async () => {
    const act = fc.oneof(
      fc.record({
        kind: fc.constant('flip' as const),
        node: fc.nat({ max: 8 }),
        waitS: fc.integer({ min: 0, max: 1_500 }),
      }),
      fc.record({
        kind: fc.constant('partition' as const),
        node: fc.integer({ min: 1, max: 6 }),
        waitS: fc.integer({ min: 0, max: 5_000 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
        await using world = new World(9, { tickMs: 5_000 });
        const all = Array.from({ length: 6 }, (_, index) =>
          world.track(index, 5 * MiB, index % 9, (index + 1) % 9, (index + 5) % 9),
        );
        for (const { kind, node, waitS } of acts) {
          if (kind === 'flip') world.set(node, world.down.has(idOf(node)));
          else for (let other = node; other < 9; other++) world.set(other, false);
          await world.run(waitS);
          if (kind === 'partition') for (let other = node; other < 9; other++) world.set(other, true);
        }
        for (let node = 0; node < 9; node++) world.set(node, true);
        await world.run(2 * 3_600 + 700);
        for (const address of all) {
          expect(world.living(address)).toBe(3);
          expect(new Set(world.repair.holdersOf(address))).toEqual(world.stored.get(address));
        }
        expect(world.leastAfterDrop).toBeGreaterThanOrEqual(3);
        expect(world.repair.status()).toMatchObject({ queued: 0, running: 0 });
      }),
      { numRuns: 12 },
    );
  });
});

describe('queue', () => {
  test('by copies, then by age; bounded, and says when it was full', () => {
    const queue = new RepairQueue(3);
    queue.put('b', 2);
    queue.put('a', 2);
    queue.put('c', 1);
    queue.put('d', 1);
    expect([queue.size, queue.overflowed]).toEqual([3, true]);
    queue.put('a', 1);
    expect([queue.take(() => true), queue.take(() => true)]).toEqual(['c', 'a']);
    expect(queue.take((address) => address !== 'b')).toBeUndefined();
    queue.remove('b');
    expect([queue.size, queue.take(() => true)]).toEqual([0, undefined]);
  });
});
