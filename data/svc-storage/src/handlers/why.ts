import type { Clock } from '@ron/kernel';
import type { Address } from '@ron/naming';
import { AddressSet } from '../address-set.ts';
import type { Holding } from '../holding.ts';
import { Pacer, type PacerLimits } from '../pacer.ts';
import { markFrom, type Root, type RootPeers, rootsOf } from '../reach.ts';
import type { VerifiedReads } from '../verified-reads.ts';
import type { StorageHandler } from './operation.ts';

export interface WhyPorts {
  readonly reads: VerifiedReads;
  readonly holding: Holding;
  readonly peers: RootPeers;
  readonly clock: Clock;
  readonly limits: () => PacerLimits;
}

/** Past this an answer helps nobody. */
const holdersMax = 100;

interface Holder {
  readonly kind: Root['kind'] | 'manifest' | 'pin' | 'recent';
  readonly id: string;
}

/** Walks as a collection does: through all names and messages, and through the bundles among named, pinned and recent objects. */
export function why({ reads, holding, peers, clock, limits }: WhyPorts): StorageHandler<'why'> {
  return async (input, call) => {
    const { blobs } = reads;
    const address = input.address as Address;
    const pacer = new Pacer(clock, limits, call.context.signal);
    const marks = new AddressSet();
    const holders = new Map<string, Holder>();
    const note = (kind: Holder['kind'], id: string) => {
      if (holders.size < holdersMax) holders.set(`${kind} ${id}`, { kind, id });
    };
    const onEdge = (manifest: Address, entry: Address) => {
      if (entry === address) note('manifest', manifest);
    };
    const options = { onEdge, skipDamaged: true } as const;
    for await (const roots of rootsOf(peers, call.context)) {
      for (const root of roots) {
        if (root.address === address) note(root.kind, root.id);
        await markFrom(reads, marks, root.address, pacer, options);
      }
      await pacer.pause();
    }
    for (const object of blobs.entries()) {
      if (pacer.due()) await pacer.pause();
      const held = blobs.pins(object.address).length > 0 || holding.isRecent(object);
      if (held) await markFrom(reads, marks, object.address, pacer, options);
    }
    for (const holder of blobs.pins(address)) note('pin', holder);
    const object = blobs.stat(address);
    if (object !== undefined && holding.isRecent(object)) note('recent', 'grace');
    return {
      address,
      present: object !== undefined && object.state !== 'quarantined',
      state: object?.state ?? 'absent',
      holders: [...holders.values()],
    };
  };
}
