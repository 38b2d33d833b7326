import { placeTtlMsMax } from '@ron/proto/exchange';
import { type Static, Type } from 'typebox';
import { type ServeLimits, serveLimitsDefault } from './exchange/serve-ports.ts';

const integer = (fallback: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: fallback, minimum, maximum, reload: true, description });

const serve = serveLimitsDefault;

/** Configuration table `overlay`. Each field may change while it runs; a period that has begun goes on as it was. */
export const OverlayConfig = Type.Object(
  {
    probe_period_ms: integer(1_000, 100, 60_000, 'one member is probed in each'),
    direct_timeout_ms: integer(500, 50, 30_000, 'until others are asked to try as well'),
    indirect_timeout_ms: integer(800, 100, 60_000, 'from then until the probe has failed'),
    indirect_probes: integer(3, 0, 8, 'members that are asked to try'),
    suspicion_periods: Type.Number({
      default: 0.7,
      minimum: 0.1,
      maximum: 20,
      reload: true,
      description: 'probe periods of suspicion before a death, times the decimal logarithm of the members; 2 at least',
    }),
    retransmit_factor: integer(4, 1, 16, 'how often news is passed on, times the decimal logarithm of the members'),
    members_max: integer(4_096, 2, 65_536, 'the dead that are remembered included'),
    dead_keep_ms: integer(1_800_000, 10_000, 86_400_000, 'for which the dead are remembered and tried again'),
    sync_period_ms: integer(120_000, 1_000, 86_400_000, 'between comparisons of a page with some member'),
    seed_period_ms: integer(10_000, 500, 3_600_000, 'between tries to reach a seed while nobody else is reached'),
    gossip_fan_out: integer(8, 1, 32, 'members that a message is passed on to'),
    gossip_peer_rate_max: integer(200, 1, 10_000, 'messages a second from, and to, one node'),
    gossip_window_max: integer(65_536, 64, 1_048_576, 'messages that are remembered for 2 minutes; more are refused'),
    ban_threshold: integer(100, 1, 10_000, 'score of offences from which on a node is banned'),
    ban_half_life_ms: integer(600_000, 1_000, 86_400_000, 'in which a score falls to half'),
    ban_ms: integer(3_600_000, 1_000, 2_592_000_000, 'for which a node is banned by its score'),
    store_period_ms: integer(60_000, 1_000, 86_400_000, 'between writes of the peer store'),
    exchange_streams_max: integer(serve.streamsMax, 1, 4_096, 'objects that are being sent to all nodes at a time'),
    exchange_node_streams_max: integer(serve.streamsPerPeerMax, 1, 256, 'objects that are being sent to one node'),
    exchange_node_bytes_per_second: integer(
      serve.bytesPerSecondPerPeer,
      65_536,
      1_000_000_000_000,
      'bytes of objects to one node, all its streams together',
    ),
    exchange_node_questions_per_second: integer(
      serve.questionsPerSecondPerPeer,
      100,
      1_000_000,
      'objects that one node may ask about; a challenge counts as twenty, a placement as ten',
    ),
    copies_bytes_max: integer(
      16 * 1_024 ** 3,
      0,
      Number.MAX_SAFE_INTEGER,
      'bytes of objects that are kept here for trusted nodes; 0: none',
    ),
    copies_ttl_ms: integer(
      604_800_000,
      180_000,
      placeTtlMsMax,
      'for which other nodes are asked to keep copies for this one; renewed three times as often',
    ),
    copies_check_ms: integer(
      21_600_000,
      1_000,
      86_400_000,
      'in which every node that keeps a copy for this one proves once that it has it',
    ),
    copies_grace_ms: integer(
      600_000,
      1_000,
      86_400_000,
      'for which a node that is gone still counts as having its copies',
    ),
    copies_last_grace_ms: integer(30_000, 1_000, 86_400_000, 'the same when only one copy is left'),
    copies_bytes_per_second: integer(
      50 * 1_024 * 1_024,
      65_536,
      1_000_000_000_000,
      'bytes of copies that are made anew, all together',
    ),
  },
  { additionalProperties: false },
);
export type OverlayConfig = Static<typeof OverlayConfig>;

/** What the configuration says of how much is done for others. */
export function serveLimitsOf(config: Readonly<OverlayConfig>): Partial<ServeLimits> {
  return {
    streamsMax: config.exchange_streams_max,
    streamsPerPeerMax: config.exchange_node_streams_max,
    bytesPerSecondPerPeer: config.exchange_node_bytes_per_second,
    questionsPerSecondPerPeer: config.exchange_node_questions_per_second,
  };
}
