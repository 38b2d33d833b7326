import { type Static, Type } from 'typebox';
import { defineContract } from './contract.ts';
import { exchangeOperations } from './exchange.ts';
import { Bytes, Count, Cursor, strict, TimeMs } from './fields.ts';
import { type Contact, NodeId, Region } from './network.ts';
import { pinOperations } from './pins.ts';

/** Bounds of what nodes send each other; a message past one of them is malformed. */
export const overlayLimits = {
  /** Addresses of one node: two families, and one behind a proxy each. */
  addressesMax: 4,
  /** News about members in one ping, and in its answer. */
  updatesMax: 24,
  /** Signed votes that a claim carries; as many are enough to believe a death. */
  votesMax: 3,
  /** Members of one page that two nodes compare. */
  digestsMax: 256,
  /** Records in one page of a comparison, each way. */
  syncUpdatesMax: 64,
  /** Records in one answer to `exchange`. */
  sampleMax: 32,
  /** Messages of applications in one call of `gossip`. */
  gossipMessagesMax: 16,
  /** Bytes of one such message's body, before base64url. */
  gossipBodyBytesMax: 8_192,
  /** Hops of one: with a fan-out of 8, five reach 10,000 nodes. */
  gossipHopsMax: 12,
  /** Milliseconds for which one may travel, and for which it is remembered. */
  gossipAgeMsMax: 120_000,
  /** Clocks of two nodes differ by no more. */
  clockSkewMsMax: 60_000,
  /** How old a node's own record may be before nobody takes it from others. */
  recordAgeMsMax: 86_400_000,
  peersPageMax: 500,
  /** Pings of one `probe`. */
  probesMax: 20,
} as const;

const limit = overlayLimits;

export const PublicKey = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'Ed25519, base64url' });
export const Signature = Type.String({ pattern: '^[A-Za-z0-9_-]{86}$', description: 'Ed25519, base64url' });

/** Printable ASCII without spaces: what is signed and logged has one reading. */
export const NodeAddress = Type.String({
  pattern: '^[!-~]{3,261}$',
  description: 'host:port, IPv6 in brackets',
});

/** Grows with everything that a node says about itself; milliseconds of its clock at first, so that it grows over restarts. */
export const Incarnation = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** What a node says about itself, signed with its key: nobody else can, and everybody may pass it on. */
export const NodeRecord = Type.Object(
  {
    id: NodeId,
    public_key: PublicKey,
    addresses: Type.Array(NodeAddress, { minItems: 1, maxItems: limit.addressesMax }),
    region: Type.Optional(Region),
    free_bytes: Type.Optional(Bytes),
    version: Type.String({ pattern: '^[0-9A-Za-z.+-]{1,32}$' }),
    incarnation: Incarnation,
    issued_at: TimeMs,
    left: Type.Optional(Type.Literal(true, { description: 'the node’s last word: it is gone on purpose' })),
    signature: Signature,
  },
  strict,
);
export type NodeRecord = Static<typeof NodeRecord>;

/** A record, and that who sends it holds its key now, on this very connection. */
export const Hello = Type.Object(
  {
    record: NodeRecord,
    nonce: Type.String({ pattern: '^[A-Za-z0-9_-]{22}$', description: '16 bytes, base64url' }),
    issued_at: TimeMs,
    signature: Signature,
  },
  strict,
);
export type Hello = Static<typeof Hello>;

/** Somebody's word that a member does not answer: `suspect` asks others to look, `dead` is counted. */
export const Vote = Type.Object({ by: NodeId, signature: Signature }, strict);
export type Vote = Static<typeof Vote>;

export const Claim = Type.Object(
  {
    id: NodeId,
    incarnation: Incarnation,
    state: Type.Union([Type.Literal('suspect'), Type.Literal('dead')]),
    votes: Type.Array(Vote, { minItems: 1, maxItems: limit.votesMax }),
  },
  strict,
);
export type Claim = Static<typeof Claim>;

/** One piece of news about a member. */
export const Update = Type.Union([Type.Object({ record: NodeRecord }, strict), Type.Object({ claim: Claim }, strict)]);
export type Update = Static<typeof Update>;

const Updates = Type.Array(Update, { maxItems: limit.updatesMax });

/** What a node believes of a member, in short. */
export const Digest = Type.Object({ id: NodeId, incarnation: Incarnation, dead: Type.Boolean() }, strict);
export type Digest = Static<typeof Digest>;

export const Topic = Type.String({ pattern: '^[a-z0-9-]{1,32}$' });

/** A message of an application for every node. Its id is the BLAKE3 of what is signed, so that nobody can send it twice. */
export const GossipMessage = Type.Object(
  {
    topic: Topic,
    origin: NodeId,
    public_key: PublicKey,
    issued_at: TimeMs,
    nonce: Type.String({ pattern: '^[A-Za-z0-9_-]{22}$' }),
    body: Type.String({
      pattern: '^[A-Za-z0-9_-]*$',
      maxLength: Math.ceil((limit.gossipBodyBytesMax * 4) / 3),
      description: 'base64url',
    }),
    hops: Type.Integer({ minimum: 0, maximum: limit.gossipHopsMax, description: 'left; not signed, only falls' }),
    signature: Signature,
  },
  strict,
);
export type GossipMessage = Static<typeof GossipMessage>;

export const MemberState = Type.Union([
  Type.Literal('alive'),
  Type.Literal('suspect'),
  Type.Literal('dead'),
  Type.Literal('left'),
]);
export type MemberState = Static<typeof MemberState>;

export const Offence = Type.Union(
  [
    Type.Literal('bad_signature'),
    Type.Literal('malformed'),
    Type.Literal('flood'),
    Type.Literal('wrong_bytes'),
    Type.Literal('stale_hello'),
    Type.Literal('operator'),
  ],
  { description: 'why a node is banned; `operator`: somebody asked for it' },
);
export type Offence = Static<typeof Offence>;

export const Ban = Type.Object({ id: NodeId, reason: Offence, until: TimeMs }, strict);
export type Ban = Static<typeof Ban>;

const Peer = Type.Object(
  {
    id: NodeId,
    state: MemberState,
    addresses: Type.Array(NodeAddress, { maxItems: limit.addressesMax }),
    region: Type.Optional(Region),
    version: Type.String(),
    incarnation: Incarnation,
    rtt_ms: Type.Optional(Type.Number({ minimum: 0 })),
    heard_ms: Type.Optional(Type.Integer({ minimum: 0, description: 'milliseconds since it was last heard itself' })),
    free_bytes: Type.Optional(Bytes),
    throughput_bytes_s: Type.Optional(Type.Number({ minimum: 0, description: 'measured, decaying average' })),
    failures: Type.Optional(Type.Number({ minimum: 0, description: 'share of its transfers that failed, decaying' })),
  },
  strict,
);

const admin = [{ method: 'admin', resource: 'admin/overlay' }] as const;
const read = [{ method: 'read', resource: 'admin/overlay' }] as const;
/** What every node may ask of every other. */
const node = [{ method: 'write', resource: 'net/overlay' }] as const;

/**
 * Membership, gossip, the exchange of objects between nodes, and copies on them. The operations whose scope is `net/overlay`
 * are for nodes, each by the id that its channel proves (`forbidden` for anybody else). Refusals carry `details.reason`, a word.
 */
export const overlayContract = defineContract({
  name: 'overlay',
  app: 0x0101,
  operations: {
    hello: {
      summary: 'Who we are, proven on this connection; answered in kind. `nonce` of the answer is the caller’s',
      input: Hello,
      output: Hello,
      errors: [],
      scopes: node,
      shedAs: 'free',
    },
    ping: {
      summary: 'Are you there, and what is new; `unknown`: say hello, we do not know you',
      input: Type.Object({ updates: Updates }, strict),
      output: Type.Object({ updates: Updates, unknown: Type.Optional(Type.Literal(true)) }, strict),
      errors: [],
      scopes: node,
      shedAs: 'free',
    },
    ping_req: {
      summary: 'Ping that member for us; `confirm`: we are checking what somebody else said',
      input: Type.Object({ target: NodeId, confirm: Type.Optional(Type.Literal(true)), updates: Updates }, strict),
      output: Type.Object({ acked: Type.Boolean(), updates: Updates }, strict),
      errors: [],
      scopes: node,
      shedAs: 'free',
    },
    sync: {
      summary: 'Compare the members whose ids are after `after` and up to `until`; pages keep both sides bounded',
      input: Type.Object(
        {
          after: Type.Optional(NodeId),
          until: Type.Optional(NodeId),
          digests: Type.Array(Digest, { maxItems: limit.digestsMax, description: 'by id, ascending' }),
          updates: Type.Array(Update, { maxItems: limit.syncUpdatesMax }),
        },
        strict,
      ),
      output: Type.Object(
        {
          updates: Type.Array(Update, { maxItems: limit.syncUpdatesMax }),
          wanted: Type.Array(NodeId, { maxItems: limit.syncUpdatesMax }),
          resume: Type.Optional(
            Type.String({
              pattern: '^[0-9a-f]{64}$',
              description: 'compared up to this id only: ask again from there',
            }),
          ),
        },
        strict,
      ),
      errors: [],
      scopes: node,
      shedAs: 'read',
    },
    exchange: {
      summary: 'A random sample of the members that are alive, each as it signed itself',
      input: Type.Object({ count: Type.Integer({ minimum: 1, maximum: limit.sampleMax }) }, strict),
      output: Type.Object({ records: Type.Array(NodeRecord, { maxItems: limit.sampleMax }) }, strict),
      errors: [],
      scopes: node,
      shedAs: 'read',
    },
    gossip: {
      summary: 'Messages of applications; what is known, old, or of an unknown topic goes no further',
      input: Type.Object(
        { messages: Type.Array(GossipMessage, { minItems: 1, maxItems: limit.gossipMessagesMax }) },
        strict,
      ),
      output: Type.Object({ taken: Count }, strict),
      errors: [],
      scopes: node,
      shedAs: 'write',
    },
    ...exchangeOperations,
    ...pinOperations,
    peers: {
      summary: 'The members that this node knows, by id, and who is banned',
      input: Type.Object(
        {
          state: Type.Optional(MemberState),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limit.peersPageMax })),
          cursor: Type.Optional(Cursor),
        },
        strict,
      ),
      output: Type.Object(
        {
          self: NodeId,
          members: Type.Object({ alive: Count, suspect: Count, dead: Count, left: Count }, strict),
          peers: Type.Array(Peer, { maxItems: limit.peersPageMax }),
          bans: Type.Array(Ban, { maxItems: limit.peersPageMax, description: 'on the first page only' }),
          next: Type.Optional(Cursor),
        },
        strict,
      ),
      errors: [],
      scopes: read,
      costly: true,
      http: [{ method: 'GET', path: '/overlay/peers', query: ['state', 'limit', 'cursor'], reply: 'json' }],
    },
    probe: {
      summary: 'Pings a member some times, one after the other, and says how long each answer took; for operators',
      input: Type.Object(
        {
          id: NodeId,
          count: Type.Optional(Type.Integer({ minimum: 1, maximum: limit.probesMax, description: 'default 5' })),
        },
        strict,
      ),
      output: Type.Object(
        {
          id: NodeId,
          state: MemberState,
          address: NodeAddress,
          version: Type.String(),
          region: Type.Optional(Region),
          rtts_ms: Type.Array(Type.Union([Type.Number({ minimum: 0 }), Type.Null()]), {
            maxItems: limit.probesMax,
            description: 'null: no answer within a second, or a refusal. The first may have connected before it asked',
          }),
        },
        strict,
      ),
      errors: ['not_found', 'conflict', 'unavailable'],
      scopes: admin,
      costly: true,
      limits: { timeoutMs: 30_000 },
      http: [{ method: 'GET', path: '/overlay/peers/:id/probe', query: ['count'], reply: 'json' }],
    },
    ban: {
      summary: 'Neither ask nor answer a node; without `duration_ms` for a day',
      input: Type.Object(
        {
          id: NodeId,
          duration_ms: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 31_536_000_000 })),
        },
        strict,
      ),
      output: Ban,
      errors: [],
      scopes: admin,
      mutation: true,
      audit: { level: 'privileged', input: ['id', 'duration_ms'], output: ['until'] },
      http: [{ method: 'POST', path: '/overlay/bans', json: true, reply: 'json' }],
    },
    unban: {
      summary: 'Forget what a node did; `not_found` when it is not banned',
      input: Type.Object({ id: NodeId }, strict),
      output: Type.Object({ id: NodeId }, strict),
      errors: ['not_found'],
      scopes: admin,
      mutation: true,
      audit: { level: 'privileged', input: ['id'] },
      http: [{ method: 'DELETE', path: '/overlay/bans/:id', reply: 'json' }],
    },
  },
});

/** Where a record says that its node is reached first. */
export function contactOf({ id, addresses, region }: NodeRecord): Contact {
  return { id, address: addresses[0] ?? '', ...(region === undefined ? {} : { region }) };
}
