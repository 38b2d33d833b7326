import type { Metrics } from '@ron/kernel';
import type { MemberState } from '@ron/proto/overlay';

/** Why something that a node sent was not taken. A fixed set: these are labels. */
export type Ignored =
  | 'accuser'
  | 'bad_signature'
  | 'banned'
  | 'duplicate'
  | 'full'
  | 'malformed'
  | 'rate'
  | 'stale'
  | 'topic'
  | 'unknown_member'
  | 'verification_budget'
  | 'window_full';

export interface Meters {
  ignored(reason: Ignored): void;
  /** A member became this. */
  became(state: MemberState): void;
  probed(outcome: 'direct' | 'indirect' | 'failed'): void;
  /** We were said to be gone, and are not. */
  refuted(): void;
  gossiped(what: 'published' | 'delivered' | 'relayed' | 'dropped'): void;
  banned(): void;
}

export const silentMeters: Meters = {
  ignored: () => undefined,
  became: () => undefined,
  probed: () => undefined,
  refuted: () => undefined,
  gossiped: () => undefined,
  banned: () => undefined,
};

/** No node, region or address is a label. */
export function createMeters(metrics: Metrics): Meters {
  const ignored = metrics.counter('overlay_ignored_total', 'News and messages not taken, by reason', ['reason']);
  const became = metrics.counter('overlay_member_changes_total', 'Members that became this', ['state']);
  const probed = metrics.counter('overlay_probes_total', 'Probes by outcome', ['outcome']);
  const refuted = metrics.counter('overlay_refutations_total', 'Times that we were said to be gone').labels();
  const gossiped = metrics.counter('overlay_gossip_total', 'Messages of applications', ['what']);
  const banned = metrics.counter('overlay_bans_total', 'Nodes that were banned').labels();
  return {
    ignored: (reason) => ignored.labels({ reason }).inc(),
    became: (state) => became.labels({ state }).inc(),
    probed: (outcome) => probed.labels({ outcome }).inc(),
    refuted: () => refuted.inc(),
    gossiped: (what) => gossiped.labels({ what }).inc(),
    banned: () => banned.inc(),
  };
}
