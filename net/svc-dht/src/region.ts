import type { DhtKey } from '@ron/proto/dht';
import type { Contact } from '@ron/proto/network';
import { groupOf } from './address-group.ts';
import type { DhtNode } from './dht-node.ts';
import { randomWithin, sharedBits } from './distance.ts';

/** A region is looked through by a path into each quarter. */
const quarterBits = 2;
/** Nodes of a quarter that have to answer: each knows nearly all of the others. */
const quarterWidth = 4;
/** Parts of a region that get the same share of the places, if there are too many nodes. */
const shareBits = 3;
/** Nodes of one address group that a record is sent to. */
const groupNodesMax = 3;

/** The nodes that records of this key belong on, as far as they are heard of. */
export async function nodesOfRegion(node: DhtNode, key: DhtKey): Promise<Contact[]> {
  const { regionBits, rules } = node;
  if (regionBits === 256) {
    const { nearest } = await node.findNodes({ paths: [key] });
    return nearest[0]!.slice(0, rules.table.k);
  }
  const { heard } = await node.findNodes({ paths: quarters(node, key, regionBits), width: quarterWidth, regionBits });
  const inside = heard.filter(({ id }) => sharedBits(id, key) >= regionBits);
  return spread(inside, regionBits, rules.regionNodesMax);
}

function quarters(node: DhtNode, key: DhtKey, regionBits: number): DhtKey[] {
  const point = randomWithin(key, regionBits, node.ports.random);
  const points: DhtKey[] = [];
  for (let quarter = 0; quarter < 2 ** quarterBits; quarter++) {
    const start = withBits(point, regionBits, quarterBits, quarter);
    points.push(randomWithin(start, regionBits + quarterBits, node.ports.random));
  }
  return points;
}

/** `point` with `count` bits from `from` on replaced by those of `value`. */
function withBits(point: DhtKey, from: number, count: number, value: number): DhtKey {
  let digits = BigInt(`0x${point}`);
  for (let bit = 0; bit < count; bit++) {
    const mask = 1n << BigInt(255 - from - bit);
    const on = (value >> (count - 1 - bit)) & 1;
    digits = on === 1 ? digits | mask : digits & ~mask;
  }
  return digits.toString(16).padStart(64, '0');
}

/** At most `max`, evenly from all parts of the region: who crowds one part gets that part's places and no others. */
function spread(nodes: readonly Contact[], regionBits: number, max: number): Contact[] {
  const groups = new Map<string, number>();
  const parts = new Map<string, Contact[]>();
  for (const contact of nodes) {
    const group = groupOf(contact.address);
    const count = (groups.get(group) ?? 0) + 1;
    groups.set(group, count);
    if (count > groupNodesMax) continue;
    const part = partOf(contact.id, regionBits);
    const of = parts.get(part);
    if (of === undefined) parts.set(part, [contact]);
    else of.push(contact);
  }
  const chosen: Contact[] = [];
  for (let round = 0; chosen.length < max; round++) {
    const before = chosen.length;
    for (const of of parts.values()) if (of[round] !== undefined && chosen.length < max) chosen.push(of[round]!);
    if (chosen.length === before) break;
  }
  return chosen;
}

function partOf(id: DhtKey, regionBits: number): string {
  const first = regionBits >> 2;
  const bits = Number.parseInt(id.slice(first, first + 3), 16);
  return ((bits >> (12 - (regionBits & 3) - shareBits)) & (2 ** shareBits - 1)).toString();
}
