import { type Static, Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Count, strict } from './fields.ts';

/** Limits of one audit request; each has tests at −1, 0 and +1. */
export const auditLimits = {
  /** Bytes of one entry of the log: its canonical JSON. */
  entryBytesMax: 8_192,
  /** Entries that one `tail` answers with. */
  tailMax: 256,
  waitMsMax: 30_000,
  /** Characters of a receipt as it stands in an HTTP header. */
  receiptCharactersMax: 8_192,
  /** Characters of a signed checkpoint with up to 16 signatures. */
  checkpointCharactersMax: 16_384,
  /** Hashes of a consistency proof between trees of fewer than 2^53 entries, generously. */
  proofHashesMax: 128,
  /** Characters of a verifier key: `name+hash+key`. */
  verifierKeyCharactersMax: 512,
} as const;

const limit = auditLimits;

/** 32 bytes, base64 (RFC 4648, 4), as in a checkpoint. */
const TreeHash = Type.String({ pattern: '^[A-Za-z0-9+/]{43}=$', description: '32 bytes, base64' });
const Proof = Type.Array(TreeHash, { maxItems: limit.proofHashesMax });
/** c2sp.org/signed-note verifier key. */
const VerifierKey = Type.String({ minLength: 1, maxLength: limit.verifierKeyCharactersMax });
const CheckpointText = Type.String({ minLength: 1, maxLength: limit.checkpointCharactersMax });
/** `— name base64`, one a line. */
const SignatureLines = Type.String({ minLength: 1, maxLength: limit.checkpointCharactersMax });

/** What one leaf of the log holds: its canonical JSON (RFC 8785) is what is hashed. */
export const AuditLeaf = Type.Object(
  {
    v: Type.Literal(1),
    at: Type.Integer({ minimum: 0, description: 'milliseconds since the Unix epoch, by the node’s clock' }),
    op: Type.String(),
    outcome: Type.String({ description: '`intent`, `ok`, or the code of the refusal' }),
    corr_id: Type.String(),
    subject: Type.String(),
    capability_id: Type.String(),
    tenant: Type.String(),
    resources: Type.Array(Type.String()),
    fields: Type.Record(Type.String(), Type.String()),
    reason: Type.Optional(Type.String()),
    clipped: Type.Optional(Type.Literal(true)),
  },
  strict,
);
export type AuditLeaf = Static<typeof AuditLeaf>;

/** `entry` is null when retention has taken it: its hash stays. */
export const AuditLine = Type.Object(
  { index: Count, leaf_hash: TreeHash, entry: Type.Union([AuditLeaf, Type.Null()]) },
  strict,
);
export type AuditLine = Static<typeof AuditLine>;

const fileFields = { content_type: Type.String(), cache_control: Type.String() };
const File = Type.Object({ ...fileFields, content_length: Count }, strict);
const fileHeaders = {
  content_type: 'content-type',
  cache_control: 'cache-control',
  content_length: 'content-length',
} as const;

const admin = [{ method: 'admin', resource: 'admin/audit' }] as const;

export const auditContract = defineContract({
  name: 'audit',
  app: 0x0404,
  operations: {
    checkpoint: {
      summary:
        'The newest signed checkpoint (c2sp.org/tlog-checkpoint). `cosigned`: the newest one that a witness has cosigned',
      input: Type.Object({ cosigned: Type.Optional(Type.Boolean()) }, strict),
      output: File,
      errors: ['not_found'],
      scopes: [],
      body: 'out',
      http: [
        {
          method: 'GET',
          path: '/audit/checkpoint',
          query: ['cosigned'],
          replyHeaders: fileHeaders,
          reply: 'stream',
        },
      ],
    },
    key: {
      summary: 'Verifier keys of this log, newest first, and of this node as a witness of other logs',
      input: Type.Object({}, strict),
      output: Type.Object(
        {
          origin: Type.String(),
          keys: Type.Array(VerifierKey, { minItems: 1, maxItems: 64 }),
          witness_key: VerifierKey,
        },
        strict,
      ),
      errors: [],
      scopes: [],
      http: [{ method: 'GET', path: '/audit/key', reply: 'json' }],
    },
    tile: {
      summary:
        'Hash tiles `<level>/<N>[.p/<W>]` and entry bundles `entries/<N>[.p/<W>]` (c2sp.org/tlog-tiles). not_found past the end of the log, and for bundles that retention has taken',
      input: Type.Object({ path: Type.String({ minLength: 1, maxLength: 64 }) }, strict),
      output: File,
      errors: ['not_found', 'integrity'],
      scopes: admin,
      body: 'out',
      http: [{ method: 'GET', path: '/audit/tile/*path', replyHeaders: fileHeaders, reply: 'stream' }],
    },
    export: {
      summary:
        'Entries [from, to) as NDJSON, after a head line that lets anyone check them offline against the signed checkpoint in it. Without `from` from 0, without `to` to the checkpoint’s size',
      input: Type.Object({ from: Type.Optional(Count), to: Type.Optional(Count) }, strict),
      output: Type.Object({ ...fileFields, size: Count }, strict),
      errors: ['integrity'],
      scopes: admin,
      body: 'out',
      http: [
        {
          method: 'GET',
          path: '/audit/export',
          query: ['from', 'to'],
          replyHeaders: { content_type: 'content-type', cache_control: 'cache-control', size: 'ron-size' },
          reply: 'stream',
        },
      ],
    },
    inclusion: {
      summary:
        'Proof that an entry is in the tree of that size (RFC 6962, 2.1.1). Without `size`: of the newest checkpoint. `receipt` is the same as text for `verifyReceipt` (c2sp.org/tlog-proof), against the newest checkpoint',
      input: Type.Object({ index: Count, size: Type.Optional(Count) }, strict),
      output: Type.Object(
        {
          index: Count,
          size: Count,
          leaf_hash: TreeHash,
          root: TreeHash,
          proof: Proof,
          receipt: Type.String({ maxLength: limit.receiptCharactersMax }),
        },
        strict,
      ),
      errors: ['not_found', 'integrity'],
      scopes: admin,
      http: [{ method: 'GET', path: '/audit/proof/inclusion', query: ['index', 'size'], reply: 'json' }],
    },
    consistency: {
      summary:
        'Proof that the tree of size `from` is the beginning of the tree of size `to` (RFC 6962, 2.1.2). Without `to`: of the newest checkpoint',
      input: Type.Object({ from: Count, to: Type.Optional(Count) }, strict),
      output: Type.Object({ from: Count, to: Count, from_root: TreeHash, to_root: TreeHash, proof: Proof }, strict),
      errors: ['not_found', 'integrity'],
      scopes: admin,
      http: [{ method: 'GET', path: '/audit/proof/consistency', query: ['from', 'to'], reply: 'json' }],
    },
    tail: {
      summary:
        'Entries from `from` on, oldest first, waiting up to `wait_ms` for the first. Without `from`: what comes from now on. Go on with `next`',
      input: Type.Object(
        {
          from: Type.Optional(Count),
          wait_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: limit.waitMsMax })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limit.tailMax })),
        },
        strict,
      ),
      output: Type.Object(
        { entries: Type.Array(AuditLine, { maxItems: limit.tailMax }), next: Count, size: Count },
        strict,
      ),
      errors: ['integrity'],
      scopes: admin,
      waits: 'wait_ms',
      limits: { timeoutMs: limit.waitMsMax + 10_000 },
      http: [{ method: 'GET', path: '/audit/tail', query: ['from', 'wait_ms', 'limit'], reply: 'json' }],
    },
    cosign: {
      summary:
        'Cosign another log’s checkpoint as a witness (c2sp.org/tlog-cosignature). `old_size` is the size that this node cosigned last for the origin, 0 at first: anything else is a conflict with `details.size`, as are rollbacks and forks. `verifier_key` pins an origin’s key at its first checkpoint; afterwards only pinned keys count',
      input: Type.Object(
        {
          checkpoint: CheckpointText,
          old_size: Count,
          proof: Proof,
          verifier_key: Type.Optional(VerifierKey),
        },
        strict,
      ),
      output: Type.Object({ origin: Type.String(), size: Count, cosignature: SignatureLines }, strict),
      errors: ['conflict', 'insufficient_storage'],
      scopes: admin,
      mutation: true,
      audit: { level: 'privileged', input: ['old_size'], output: ['origin', 'size'] },
      http: [{ method: 'POST', path: '/audit/cosign', json: true, reply: 'json' }],
    },
    add_cosignatures: {
      summary:
        'Keep witnesses’ cosignatures of one of this log’s checkpoints: `GET /audit/checkpoint?cosigned=true` then shows it with them',
      input: Type.Object(
        {
          checkpoint: CheckpointText,
          cosignatures: SignatureLines,
          verifier_keys: Type.Array(VerifierKey, { minItems: 1, maxItems: 16 }),
        },
        strict,
      ),
      output: Type.Object({ size: Count, cosignatures: Count }, strict),
      errors: ['conflict', 'insufficient_storage'],
      scopes: admin,
      mutation: true,
      audit: { level: 'privileged', output: ['size', 'cosignatures'] },
      http: [{ method: 'POST', path: '/audit/cosignatures', json: true, reply: 'json' }],
    },
  },
});

/** First line of an export; lines of `AuditLine` follow. Every line is canonical JSON (RFC 8785). */
export const AuditExportHead = Type.Object(
  {
    type: Type.Literal('ron-audit-export'),
    v: Type.Literal(1),
    from: Count,
    to: Count,
    /** Signed note; its size bounds the export. */
    checkpoint: CheckpointText,
    keys: Type.Array(VerifierKey, { minItems: 1, maxItems: 64 }),
    /** Hashes of the perfect subtrees that cover [0, from) and [to, size), left to right. */
    before: Type.Array(TreeHash, { maxItems: 64 }),
    after: Type.Array(TreeHash, { maxItems: 128 }),
  },
  strict,
);
export type AuditExportHead = Static<typeof AuditExportHead>;
