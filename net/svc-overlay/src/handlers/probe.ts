import { type Clock, sleep } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { NodeId } from '@ron/proto/network';
import type { Overlay } from '../overlay.ts';
import type { OverlayHandler } from './handler.ts';

const countDefault = 5;
/** Milliseconds from an answer to the next ping: with those of the membership a quarter of what one node may ask of another. */
const pauseMs = 200;

/** One member at a time: what several operators ask together would look like a flood to the other node. */
export function createProbe(overlay: Overlay, clock: Clock): OverlayHandler<'probe'> {
  const probed = new Set<NodeId>();
  return async ({ id, count = countDefault }, { context: { signal } }) => {
    const member = overlay.membership.table.get(id);
    if (member === undefined) throw new RonError('not_found', 'this node knows no such member');
    if (overlay.isBanned(id)) throw new RonError('conflict', 'this node is banned here: it is not asked anything');
    if (probed.has(id)) throw new RonError('conflict', 'this member is being pinged for somebody else');
    probed.add(id);
    try {
      const rtts: (number | null)[] = [];
      while (rtts.length < count && !signal.aborted) {
        if (rtts.length > 0) await sleep(clock, pauseMs);
        rtts.push(await overlay.pingMember(id));
      }
      const { record, state } = overlay.membership.table.get(id) ?? member;
      const { version, region, addresses } = record;
      const rounded = rtts.map((rtt) => rtt && Math.round(rtt * 100) / 100);
      return {
        id,
        state,
        address: addresses[0]!,
        version,
        ...(region === undefined ? {} : { region }),
        rtts_ms: rounded,
      };
    } finally {
      probed.delete(id);
    }
  };
}
