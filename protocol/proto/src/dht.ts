import { type Static, Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Address, Count, strict, TimeMs } from './fields.ts';
import { Contact, NodeId } from './network.ts';

/** What a node may send and keep; docs/specs/dht.md says where each number comes from. */
export const dhtLimits = {
  /** Contacts in one answer, and entries of a bucket: Kademlia’s k. */
  contactsMax: 20,
  /** Records of one key that an answer holds. */
  answerRecordsMax: 16,
  /** Records in one `provide`. */
  provideRecordsMax: 64,
  /** Bytes of a record as JSON. What the schema allows is smaller by itself. */
  recordBytesMax: 16 * 1_024,
  /** Requests that a trace shows: more than the two passes of a search make. */
  traceStepsMax: 256,
  /** Milliseconds for which a record is valid at most. */
  recordTtlMsMax: 24 * 3_600_000,
  /** Milliseconds by which clocks of nodes may differ. */
  clockSkewMsMax: 60_000,
} as const;

/** A point of the 256-bit space in which nodes and keys lie: 64 lower-case hex digits. */
export const DhtKey = Type.String({ pattern: '^[0-9a-f]{64}$' });
export type DhtKey = Static<typeof DhtKey>;

/** A node says that it has what a key stands for. Valid by its signature, whoever hands it on. */
export const ProviderRecord = Type.Object(
  {
    key: DhtKey,
    provider: Contact,
    public_key: Type.String({
      pattern: '^[A-Za-z0-9_-]{43}$',
      description: 'Ed25519, base64url; its BLAKE3 is the provider’s id',
    }),
    issued_at: TimeMs,
    expires_at: TimeMs,
    sequence: Count,
    signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$', description: 'Ed25519, base64url' }),
  },
  strict,
);
export type ProviderRecord = Static<typeof ProviderRecord>;

/** Why a record is not kept. */
export const RecordRefusal = Type.Union(
  [
    Type.Literal('foreign', { description: 'its provider is not who sends it' }),
    Type.Literal('unsigned', { description: 'the signature or the id does not hold' }),
    Type.Literal('expired'),
    Type.Literal('far_future', { description: 'issued or expiring later than is allowed' }),
    Type.Literal('too_large'),
    Type.Literal('stale', { description: 'a newer one of the same provider is kept' }),
    Type.Literal('not_near', { description: 'this node is not in the key’s region' }),
    Type.Literal('full', { description: 'the share of the key, the provider or its network is used up' }),
  ],
  { description: 'of the first bad record' },
);
export type RecordRefusal = Static<typeof RecordRefusal>;

const Contacts = Type.Array(Contact, { maxItems: dhtLimits.contactsMax });
/** Where the asking node is reached; its id has to be the one that the channel proved. */
const Asker = Type.Optional(Contact);

/** What nodes may ask of each other; the channel proves who asks. */
const reads = [{ method: 'read', resource: 'net/dht' }] as const;
const writes = [{ method: 'write', resource: 'net/dht' }] as const;
const admin = [{ method: 'admin', resource: 'admin/dht' }] as const;
const timeout = { timeoutMs: 5_000 } as const;

export const BucketView = Type.Object(
  {
    shared_bits: Type.Integer({ minimum: 0, maximum: 255 }),
    nodes: Type.Array(Type.Object({ contact: Contact, rtt_ms: Count, seen_ms_ago: Count, failures: Count }, strict), {
      maxItems: dhtLimits.contactsMax,
    }),
    spares: Count,
  },
  strict,
);

/** One request of a search. Times are milliseconds since the search began. */
const TraceStep = Type.Object(
  {
    node: Contact,
    hop: Type.Integer({ minimum: 1, description: 'requests from this node to it: 1 for one of the own table' }),
    via: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$', description: 'who named it; absent: the own table' })),
    distance_bits: Type.Integer({ minimum: 0, maximum: 256, description: 'length of its XOR distance to the key' }),
    at_ms: Count,
    took_ms: Type.Optional(Count),
    outcome: Type.Union([
      Type.Literal('answered'),
      Type.Literal('silent', { description: 'not reached, or no answer in time' }),
      Type.Literal('refused', { description: 'it answered with an error' }),
      Type.Literal('waiting', { description: 'the search ended first' }),
    ]),
    code: Type.Optional(Type.String({ description: 'of the error' })),
    records: Type.Optional(Count),
    contacts: Type.Optional(Count),
  },
  strict,
);
export type TraceStep = Static<typeof TraceStep>;

const TraceProvider = Type.Object(
  {
    provider: Contact,
    from: Type.Optional(
      Type.String({ pattern: '^[0-9a-f]{64}$', description: 'who gave its record; absent: kept here' }),
    ),
    at_ms: Count,
    issued_at: TimeMs,
    expires_at: TimeMs,
    challenge: Type.Union([
      Type.Literal('passed', { description: 'it showed that it has the object, or this node trusts it' }),
      Type.Literal('failed', { description: 'it did not, and the search went on without it' }),
      Type.Literal('none', { description: 'this node challenges nobody' }),
    ]),
  },
  strict,
);
export type TraceProvider = Static<typeof TraceProvider>;

/** Who has what: a Kademlia of provider records. The first four operations are asked by nodes, the others by services of this node. */
export const dhtContract = defineContract({
  name: 'dht',
  app: 0x0102,
  operations: {
    ping: {
      summary: 'Whether the node is there',
      input: Type.Object({ asker: Asker }, strict),
      output: Type.Object({ id: NodeId }, strict),
      errors: [],
      scopes: reads,
      routeClass: 'reads',
      limits: timeout,
    },
    find_node: {
      summary: 'The nodes nearest to a point that this one has spoken with',
      input: Type.Object({ target: DhtKey, asker: Asker }, strict),
      output: Type.Object({ contacts: Contacts }, strict),
      errors: [],
      scopes: reads,
      routeClass: 'reads',
      limits: timeout,
    },
    find_providers: {
      summary: 'What is kept of a key, and the nodes nearest to `toward`, a point of the key’s region',
      input: Type.Object({ key: DhtKey, toward: DhtKey, asker: Asker }, strict),
      output: Type.Object(
        {
          records: Type.Array(ProviderRecord, { maxItems: dhtLimits.answerRecordsMax }),
          contacts: Contacts,
        },
        strict,
      ),
      errors: [],
      scopes: reads,
      routeClass: 'reads',
      limits: timeout,
    },
    provide: {
      summary: 'Keep records of the node that asks; each is checked by itself',
      input: Type.Object(
        { records: Type.Array(ProviderRecord, { minItems: 1, maxItems: dhtLimits.provideRecordsMax }), asker: Asker },
        strict,
      ),
      output: Type.Object({ stored: Count, refused: Type.Optional(RecordRefusal) }, strict),
      errors: [],
      scopes: writes,
      mutation: true,
      routeClass: 'writes',
      limits: timeout,
    },
    locate: {
      summary: 'Nodes that say they have an object; their records hold, what they say is not checked yet',
      input: Type.Object(
        {
          address: Address,
          want: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 32, description: 'providers after which the search ends; default 5' }),
          ),
        },
        strict,
      ),
      output: Type.Object(
        { records: Type.Array(ProviderRecord, { maxItems: 64 }), hops: Count, asked: Count, took_ms: Count },
        strict,
      ),
      errors: [],
      scopes: [{ method: 'read', resource: 'o/{address}' }],
      limits: { timeoutMs: 15_000 },
    },
    announce: {
      summary: 'From now on this node says that it has these objects, until they are withdrawn',
      input: Type.Object({ addresses: Type.Array(Address, { minItems: 1, maxItems: 1_000 }) }, strict),
      output: Type.Object({ announced: Count, published: Count }, strict),
      errors: ['insufficient_storage'],
      scopes: admin,
      mutation: true,
    },
    withdraw: {
      summary: 'These objects are announced no longer; what others keep expires within 24 h',
      input: Type.Object({ addresses: Type.Array(Address, { minItems: 1, maxItems: 1_000 }) }, strict),
      output: Type.Object({ withdrawn: Count }, strict),
      errors: [],
      scopes: admin,
      mutation: true,
      frees: true,
    },
    trace: {
      summary: 'A search for the providers of an object, made now, and all that happened on its way; for operators',
      input: Type.Object(
        {
          address: Address,
          want: Type.Optional(Type.Integer({ minimum: 1, maximum: 32, description: 'as of `locate`' })),
        },
        strict,
      ),
      output: Type.Object(
        {
          self: NodeId,
          key: DhtKey,
          network_size: Count,
          region_bits: Type.Integer({ minimum: 0, maximum: 256 }),
          took_ms: Count,
          steps: Type.Array(TraceStep, { maxItems: dhtLimits.traceStepsMax, description: 'in the order of asking' }),
          providers: Type.Array(TraceProvider, { maxItems: 64, description: 'in the order of finding' }),
        },
        strict,
      ),
      errors: [],
      scopes: admin,
      costly: true,
      limits: { timeoutMs: 30_000 },
      http: [{ method: 'GET', path: '/admin/dht/trace', query: ['address', 'want'], reply: 'json' }],
    },
    table: {
      summary: 'The routing table and what is kept, for operators',
      input: Type.Object({}, strict),
      output: Type.Object(
        {
          id: NodeId,
          network_size: Count,
          region_bits: Type.Integer({ minimum: 0, maximum: 256 }),
          records: Count,
          keys: Count,
          buckets: Type.Array(BucketView, { maxItems: 256 }),
        },
        strict,
      ),
      errors: [],
      scopes: admin,
      costly: true,
      http: [{ method: 'GET', path: '/admin/dht/table', reply: 'json' }],
    },
  },
});
