import type { Env } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { NodeId } from '@ron/proto/network';
import { createStorageSource, type GroupSource } from '@ron/svc-edge/service';
import type { NodeLinks } from '@ron/transport';
import { type Holders, holdersMax } from './holders.ts';
import { peerStorage } from './peer-storage.ts';

/** Objects of which one remembers whom it was asked of. */
const askedMax = 1_024;

/**
 * Other nodes as sources of the edge, which verifies every group and goes on to the next source when one is silent or lies:
 * the first is whoever is the likeliest to have the object, and so on.
 */
export function farSources(ports: FarSourcePorts): readonly GroupSource[] {
  return Array.from({ length: holdersMax }, (_, rank) => farSource(rank, ports));
}

export interface FarSourcePorts {
  readonly holders: Holders;
  readonly links: NodeLinks;
  readonly env: Pick<Env, 'random'>;
  /** Its bytes did not verify. */
  readonly onLiar: (id: NodeId) => void;
}

function farSource(rank: number, { holders, links, env, onLiar }: FarSourcePorts): GroupSource {
  /** By address, who is asked: the same one as long as it is known to have it, so that no other is blamed for its bytes. */
  const asked = new Map<string, NodeId>();
  const sourceOf = async (address: string): Promise<GroupSource> => {
    const known = await holders.of(address);
    const before = asked.get(address);
    const holder = known.find(({ id }) => id === before) ?? known[rank];
    if (holder === undefined) throw new RonError('not_found', 'no other node is known to have it');
    asked.delete(address);
    asked.set(address, holder.id);
    for (const oldest of asked.keys()) {
      if (asked.size <= askedMax) break;
      asked.delete(oldest);
    }
    return createStorageSource(peerStorage(links, holder), env);
  };
  return {
    name: 'network',
    lied(address) {
      const liar = asked.get(address);
      if (liar !== undefined) onLiar(liar);
    },
    stat: async (address, wantsFirst, signal) => (await sourceOf(address)).stat(address, wantsFirst, signal),
    outboard: async (address, bytesMax, signal) => (await sourceOf(address)).outboard(address, bytesMax, signal),
    groups: async (run, signal) => (await sourceOf(run.address)).groups(run, signal),
  };
}
