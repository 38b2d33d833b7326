import { groupCount } from '@ron/b3';
import type { CallContext } from '@ron/proto/contract';
import { bitmapsMax, type HaveInput, type HaveOutput, type Held, windowGroupsMax } from '@ron/proto/exchange';
import type { NodeId } from '@ron/proto/network';
import type { Static } from 'typebox';
import type { ExchangeContext } from '../exchange-handlers.ts';
import { GroupSet } from '../group-set.ts';

/** Addresses that are looked up at a time. */
const atOnce = 32;

export async function have(
  { blobs, maySend, ceilings }: ExchangeContext,
  { addresses, window_first: first = 0 }: Static<typeof HaveInput>,
  from: NodeId,
  call?: CallContext,
): Promise<Static<typeof HaveOutput>> {
  ceilings.question(from, addresses.length);
  const held: Held[] = [];
  let bitmaps = 0;
  for (let at = 0; at < addresses.length; at += atOnce) {
    const some = addresses.slice(at, at + atOnce).map(async (address) => {
      const found = (await maySend(address, from)) ? await blobs.stat(address, call) : undefined;
      return found && { address, ...found };
    });
    for (const found of await Promise.all(some)) {
      if (found === undefined) continue;
      const { address, size, groups } = found;
      const complete = groups === 'all' || groups.complete;
      const shows = groups !== 'all' && !complete && bitmaps < bitmapsMax && first < groupCount(size);
      if (shows) bitmaps += 1;
      held.push({ address, size, complete, ...(shows ? { groups: window(groups, first) } : {}) });
    }
  }
  return { held };
}

function window(groups: GroupSet, first: number): string {
  const shown = new GroupSet(Math.min(groups.groupCount - first, windowGroupsMax));
  for (let group = groups.nextPresent(first); group >= 0; group = groups.nextPresent(group + 1)) {
    if (group - first >= shown.groupCount) break;
    shown.add(group - first);
  }
  return Buffer.from(shown.toBytes()).toString('base64url');
}
