import type { NodeId } from '@ron/proto/network';

export type PeerState = 'alive' | 'suspect' | 'dead';

/** A node that could keep copies, as this node sees it. */
export interface PlacementPeer {
  readonly id: NodeId;
  /** Nodes without one are a region of their own. */
  readonly region?: string;
  /** What it offers for copies: what its owner keeps free is not in it. */
  readonly freeBytes: number;
  readonly state: PeerState;
  /** 0 to 1: how well it did so far, as measured. */
  readonly quality: number;
}

export interface PlacementQuestion {
  readonly address: string;
  readonly sizeBytes: number;
  /** Copies that there should be. */
  readonly copies: number;
  readonly peers: readonly PlacementPeer[];
  /** Nodes that have a copy which counts. */
  readonly holders: readonly NodeId[];
  /** Not to be chosen: they failed lately. */
  readonly without?: ReadonlySet<NodeId>;
}

/**
 * Nodes for the copies that are missing: alive, with space, each once, and region by region, the one with the fewest
 * copies first. Among equals the better quarter of quality, then an order that depends on object and node, so that
 * objects spread and every node that sees the same comes to the same choice. Fewer than asked for when there are none.
 */
export function choosePlaces(question: PlacementQuestion): readonly NodeId[] {
  const { address, sizeBytes, copies, peers, holders, without } = question;
  const held = new Set(holders);
  const copiesIn = new Map<string, number>();
  for (const peer of peers) if (held.has(peer.id)) count(copiesIn, regionOf(peer), 1);
  const open = peers
    .filter(({ state, freeBytes }) => state === 'alive' && freeBytes >= sizeBytes)
    .filter(({ id }) => !held.has(id) && without?.has(id) !== true);
  const byRegion = Map.groupBy(ranked(address, open).reverse(), regionOf);
  const chosen: NodeId[] = [];
  while (chosen.length < copies - holders.length && byRegion.size > 0) {
    const [region, rest] = [...byRegion].reduce((best, next) =>
      isBefore(next, best, copiesIn, address) ? next : best,
    );
    chosen.push(rest.pop()!.id);
    count(copiesIn, region, 1);
    if (rest.length === 0) byRegion.delete(region);
  }
  return chosen;
}

/** Which of the holders to give up, so that `copies` stay spread over as many regions and of the best quality. */
export function chooseSurplus(address: string, copies: number, holders: readonly PlacementPeer[]): readonly NodeId[] {
  const kept = ranked(address, holders);
  const given: NodeId[] = [];
  while (kept.length > copies) {
    const copiesIn = new Map<string, number>();
    for (const peer of kept) count(copiesIn, regionOf(peer), 1);
    const most = Math.max(...copiesIn.values());
    const at = kept.findLastIndex((peer) => copiesIn.get(regionOf(peer)) === most);
    given.push(kept[at]!.id);
    kept.splice(at, 1);
  }
  return given;
}

type Region = readonly [string, PlacementPeer[]];

/** Whether the region is the better one for the next copy; its best node stands last. */
function isBefore([a, inA]: Region, [b, inB]: Region, copiesIn: ReadonlyMap<string, number>, address: string): boolean {
  const fewer = (copiesIn.get(a) ?? 0) - (copiesIn.get(b) ?? 0);
  return fewer !== 0 ? fewer < 0 : compare(address, inA.at(-1)!, inB.at(-1)!) < 0;
}

function ranked(address: string, peers: readonly PlacementPeer[]): PlacementPeer[] {
  return [...peers].sort((a, b) => compare(address, a, b));
}

function compare(address: string, a: PlacementPeer, b: PlacementPeer): number {
  return quarter(b) - quarter(a) || weight(address, b) - weight(address, a) || (a.id < b.id ? -1 : 1);
}

function quarter({ quality }: PlacementPeer): number {
  return Math.min(3, Math.max(0, Math.floor(quality * 4)));
}

/** Mixes 32 bits of both (finalizer of MurmurHash3, A. Appleby): the highest weight wins (rendezvous hashing). */
function weight(address: string, { id }: PlacementPeer): number {
  let bits = Number.parseInt(address.slice(3, 11), 16) ^ Math.imul(Number.parseInt(id.slice(0, 8), 16), 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function regionOf({ id, region }: PlacementPeer): string {
  return region ?? id;
}

function count(into: Map<string, number>, key: string, by: number): void {
  into.set(key, (into.get(key) ?? 0) + by);
}
