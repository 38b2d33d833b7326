import { RonError } from '@ron/proto/errors';
import { overlayLimits } from '@ron/proto/overlay';
import type { Member } from '../membership/member.ts';
import type { Overlay } from '../overlay.ts';
import type { OverlayHandler } from './handler.ts';

const pageDefault = 100;

/** By id; the cursor is the last id of the page before. */
export function createPeers(overlay: Overlay, nowMs: () => number): OverlayHandler<'peers'> {
  return ({ state, limit = pageDefault, cursor }) => {
    if (cursor !== undefined && !/^[0-9a-f]{64}$/.test(cursor)) {
      throw new RonError('bad_request', 'the cursor is not one of the page before');
    }
    const { table } = overlay.membership;
    const fits = (member: Member) =>
      (state === undefined || member.state === state) && (cursor === undefined || member.record.id > cursor);
    const found = [...table.values()].filter(fits).sort((one, other) => (one.record.id < other.record.id ? -1 : 1));
    const page = found.slice(0, limit);
    return {
      self: overlay.id,
      members: { ...table.counts },
      peers: page.map((member) => rowOf(member, overlay, nowMs())),
      bans: cursor === undefined ? overlay.bans.list().slice(0, overlayLimits.peersPageMax) : [],
      ...(found.length > limit ? { next: page.at(-1)!.record.id } : {}),
    };
  };
}

function rowOf({ record, state, rttMs, heardMs }: Member, { quality }: Overlay, nowMs: number) {
  const { id, addresses, region, version, incarnation, free_bytes } = record;
  const measured = quality.get(id);
  return {
    id,
    state,
    addresses,
    version,
    incarnation,
    ...(region === undefined ? {} : { region }),
    ...(free_bytes === undefined ? {} : { free_bytes }),
    ...(rttMs === undefined ? {} : { rtt_ms: Math.round(rttMs * 10) / 10 }),
    ...(heardMs === undefined ? {} : { heard_ms: Math.max(0, Math.round(nowMs - heardMs)) }),
    ...(measured === undefined
      ? {}
      : { throughput_bytes_s: Math.round(measured.throughput), failures: Math.round(measured.failures * 1e3) / 1e3 }),
  };
}
