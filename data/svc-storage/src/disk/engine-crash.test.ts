import { hash } from '@ron/b3';
import type { Disk, File } from '@ron/kernel';
import { createSimEnv, type DiskOperation, type SimEnv } from '@ron/kernel/sim';
import { type Address, addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { BlobEngine } from '../engine.ts';
import { openDiskEngine } from './engine.ts';

type State = 'live' | 'trash' | 'absent';

/** What a start may find: everything that was acknowledged, and either side of what was not. */
interface Expected {
  readonly bytes: Uint8Array;
  states: Set<State>;
  pinned: Set<boolean>;
}

interface Life {
  readonly env: SimEnv;
  readonly disk: Disk;
  /** Resolves with the machine's next process once the power is cut. */
  readonly cut: Promise<SimEnv>;
}

const config = {
  bytesMax: 2 ** 30,
  objectsMax: 1000,
  reserveBytes: 1,
  segmentBytes: 20_000,
  compactBytesPerSecond: 2 ** 40,
  syncEveryBytes: 65_536,
  // The largest contents of the tests have files of their own.
  journalBytesMax: 100_000,
};

/** Cuts the power before the operation with this number. Syncs can be made to do nothing. */
function life(env: SimEnv, cutAt: number, syncIsNoop = false): Life {
  let operations = 0;
  let tell: (next: SimEnv) => void = () => undefined;
  const cut = new Promise<SimEnv>((resolve) => {
    tell = resolve;
  });
  const count = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(inner, name) {
        const value = inner[name as keyof T];
        if (typeof value !== 'function' || name === 'readSync' || name === 'close') {
          return typeof value === 'function' ? value.bind(inner) : value;
        }
        return async (...values: unknown[]) => {
          operations += 1;
          if (operations === cutAt) tell(env.crash());
          if (operations >= cutAt) return new Promise<never>(() => undefined);
          if (syncIsNoop && (name === 'sync' || name === 'syncDirectory')) return undefined;
          const result = await value.apply(inner, values);
          return name === 'open' ? count(result as File) : result;
        };
      },
    });
  return { env, disk: count(env.disk), cut };
}

async function start({ env, disk }: Life, corrupt: string[]): Promise<BlobEngine> {
  const events = {
    onCorrupt: (address: Address, detail: string) => void corrupt.push(`${address} ${detail}`),
    onDamage: (detail: string) => void corrupt.push(detail),
  };
  const { clock, random, work } = env;
  return openDiskEngine({ env: { clock, random, work, disk }, folder: 'b', config, events });
}

async function work(engine: BlobEngine, env: SimEnv, model: Map<Address, Expected>, steps: number): Promise<void> {
  const unit = () => env.world.random.unit();
  const pick = (states: State[]) => {
    const found = [...model].filter(([, { states: known }]) => known.size === 1 && states.includes([...known][0]!));
    return found[Math.floor(unit() * found.length)];
  };
  /** Either side until it is acknowledged. */
  const change = async (expected: Expected, state: State, run: () => Promise<unknown>) => {
    expected.states.add(state);
    await run();
    expected.states = new Set([state]);
  };
  const put = async (bytes: Uint8Array, staged: boolean) => {
    const address = addressFromHash(hash(bytes));
    const expected = model.get(address) ?? { bytes, states: new Set<State>(['absent']), pinned: new Set([false]) };
    model.set(address, expected);
    await change(expected, 'live', async () => {
      if (!staged) {
        await using writer = await engine.create(bytes.byteLength);
        await writer.write(bytes);
        return await writer.commit(address);
      }
      const id = Math.floor(unit() * 2 ** 40)
        .toString(16)
        .padStart(32, '0');
      const staging = await engine.stagings.create(id, bytes.byteLength, { tenant: 't', createdMs: 0, expiresMs: 1 });
      await staging.write(0, bytes);
      return await staging.commit(address);
    });
  };
  for (let step = 0; step < steps; step++) {
    const choice = unit();
    if (choice < 0.5) {
      const sizes = [10, 3000, 9000, 70_000, 140_000];
      const length = sizes[Math.floor(unit() * sizes.length)]!;
      const fill = () => new Uint8Array(length).fill(Math.floor(unit() * 256), 0, Math.floor(unit() * length) + 1);
      await Promise.all([put(fill(), unit() < 0.3), put(fill(), false)]);
    } else if (choice < 0.7) {
      const [address, expected] = pick(['live']) ?? [];
      if (expected) await change(expected, 'trash', () => engine.setState(address!, 'trash', 5));
    } else if (choice < 0.9) {
      const [address, expected] = pick(['trash']) ?? [];
      if (expected) {
        expected.pinned.add(false);
        await change(expected, 'absent', () => engine.purge(address!));
        expected.pinned = new Set([false]);
      }
    } else {
      const [address, expected] = pick(['live', 'trash']) ?? [];
      const pinned = unit() < 0.7;
      if (expected) {
        expected.pinned.add(pinned);
        await engine.setPin(address!, 'holder', pinned);
        expected.pinned = new Set([pinned]);
      }
    }
  }
}

/** What contradicts the model; what was open is settled by what was found. */
async function contradictions(engine: BlobEngine, model: Map<Address, Expected>): Promise<string[]> {
  const wrong: string[] = [];
  for (const [address, expected] of model) {
    const found = engine.stat(address)?.state ?? 'absent';
    if (!expected.states.has(found as State)) wrong.push(`${address} is ${found}, not ${[...expected.states]}`);
    const pinned = engine.pins(address).length > 0;
    if (found !== 'absent' && !expected.pinned.has(pinned)) wrong.push(`${address} pinned: ${pinned}`);
    expected.states = new Set([found as State]);
    expected.pinned = new Set([found === 'absent' ? false : pinned]);
    if (found !== 'live' && found !== 'trash') continue;
    const pieces: Uint8Array[] = [];
    for await (const piece of engine.read(address, 0, expected.bytes.byteLength)) pieces.push(piece);
    if (!Buffer.concat(pieces).equals(expected.bytes)) wrong.push(`${address} has other bytes`);
  }
  return wrong;
}

/** Several lives on one machine, each ended by a power cut. */
async function run(seed: number, cuts: readonly number[], syncIsNoop = false): Promise<string[]> {
  let env = createSimEnv({ seed });
  const model = new Map<Address, Expected>();
  const wrong: string[] = [];
  for (const cutAt of cuts) {
    const current = life(env, cutAt, syncIsNoop);
    const busy = (async () => {
      const engine = await start(current, wrong);
      wrong.push(...(await contradictions(engine, model)));
      await work(engine, current.env, model, 25);
      await engine[Symbol.asyncDispose]();
      return current.env.crash();
    })();
    env = await Promise.race([busy, current.cut]);
    busy.catch(() => undefined);
  }
  const last = life(env, Number.POSITIVE_INFINITY);
  const engine = await start(last, wrong);
  wrong.push(...(await contradictions(engine, model)));
  await engine[Symbol.asyncDispose]();
  return wrong;
}

it('keeps what it acknowledged through power cuts at any operation', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.array(fc.integer({ min: 1, max: 250 }), { minLength: 1, maxLength: 4 }),
      async (seed, cuts) => {
        expect(await run(seed, cuts)).toEqual([]);
      },
    ),
    { numRuns: 25 },
  );
});

it('canary: an engine whose syncs do nothing is caught', async () => {
  let caught = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const wrong = await run(seed, [150, 200], true).catch((error: Error) => [error.message]);
    if (wrong.length > 0) caught += 1;
  }
  expect(caught).toBeGreaterThan(4);
});

/** One life in which the `nth` operation of a kind fails, then a good one. Undefined once there are fewer operations. */
async function failOnce(operation: DiskOperation, nth: number, code: string): Promise<string[] | undefined> {
  const env = createSimEnv({ seed: operation });
  const model = new Map<Address, Expected>();
  const wrong: string[] = [];
  const { faults } = env.machineDisk;
  const first = life(env, Number.POSITIVE_INFINITY);
  faults.failNth(operation, nth, code);
  let engine: BlobEngine | undefined;
  try {
    engine = await start(first, wrong);
    await work(engine, env, model, 40);
  } catch (error) {
    // Only what callers may see, and what an opening reports.
    if (engine !== undefined && !(error instanceof RonError && error.code !== 'internal')) wrong.push(String(error));
  }
  const fired = faults.fired.size > 0;
  faults.calm();
  await engine?.[Symbol.asyncDispose]();
  const next = env.crash();
  const again = await start(life(next, Number.POSITIVE_INFINITY), wrong);
  wrong.push(...(await contradictions(again, model)));
  await again[Symbol.asyncDispose]();
  return fired ? wrong : undefined;
}

it('keeps what it acknowledged when any one operation fails', async () => {
  const operations: DiskOperation[] = [
    'open',
    'write',
    'sync',
    'rename',
    'remove',
    'syncDirectory',
    'truncate',
    'list',
  ];
  for (const operation of operations) {
    for (const code of ['EIO', 'ENOSPC']) {
      for (let nth = 1; ; nth = Math.ceil(nth * 1.5)) {
        const wrong = await failOnce(operation, nth, code);
        if (wrong === undefined) break;
        expect(wrong, `${operation} ${nth} ${code}`).toEqual([]);
      }
    }
  }
});
