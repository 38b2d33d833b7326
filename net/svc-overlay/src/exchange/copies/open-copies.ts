import { sleep } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { type Keeper, ownersIn, type PlacementLimits, Placements } from '../placements.ts';
import { CopyChecks } from './copy-checks.ts';
import type { CopyEngines, CopyPorts } from './copy-ports.ts';
import { Pins } from './pins.ts';

/** Objects that a start looks at before the event loop gets its turn. */
const entriesAtOnce = 2_000;

/** The copies that this node wants of others, and those that it keeps for them. */
export interface Copies extends Disposable {
  readonly pins: Pins;
  readonly placements: Placements;
  /** Takes up what was wanted before the start, and looks after all copies from then on. */
  start(): void;
}

export interface CopiesOptions extends CopyPorts, Pick<CopyEngines, 'freeBytes' | 'mayPlace'> {
  readonly placing: () => Partial<PlacementLimits>;
}

export function openCopies(options: CopiesOptions): Copies {
  const { clock, log, shelf } = options;
  const placements = new Placements(clock, keeperOf(options), options.mayPlace, options.placing);
  const pins = new Pins(options);
  const checks = new CopyChecks(options, pins);
  const stop = new AbortController();
  const run = async () => {
    let seen = 0;
    for (const { address, sizeBytes } of shelf.entries()) {
      if (++seen % entriesAtOnce === 0) await sleep(clock, 0, stop.signal);
      const notes = shelf.pins(address);
      if (notes.length === 0) continue;
      for (const owner of ownersIn(notes)) placements.adopt(address, sizeBytes, owner);
      pins.adopt(address, sizeBytes, notes);
    }
    await checks.run(stop.signal);
  };
  return {
    pins,
    placements,
    start: () => {
      run().catch((err: unknown) => {
        if (!stop.signal.aborted) log.error({ err }, 'copies are not looked after any more');
      });
    },
    [Symbol.dispose]: () => {
      stop.abort(new RonError('unavailable', 'the node is stopping'));
      pins[Symbol.dispose]();
      placements[Symbol.dispose]();
    },
  };
}

/** Where copies for others are kept: with this node's own objects. */
function keeperOf({ shelf, freeBytes, fetch }: CopiesOptions): Keeper {
  return {
    durability: shelf.durability,
    freeBytes: async () => freeBytes(),
    has: async (address) => shelf.stat(address)?.state === 'live',
    fetch: ({ address, size, sources }, signal) => fetch({ address, sizeBytes: size, sources }, signal),
    pin: (address, holder) => shelf.setPin(address, holder, true),
    unpin: (address, holder) => shelf.setPin(address, holder, false),
  };
}
