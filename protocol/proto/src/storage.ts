import { Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Address, Bytes, Count, Cursor, Durability, DurationMs, strict, TimeMs } from './fields.ts';

const ByAddress = Type.Object({ address: Address }, strict);

/** Without `length`: to the end. A start at or past the end is `range_not_satisfiable`, except 0 of an empty object. */
const Span = Type.Object({ address: Address, start: Type.Optional(Bytes), length: Type.Optional(Bytes) }, strict);

export const PutOutput = Type.Object(
  {
    address: Address,
    size: Bytes,
    stored: Type.Boolean({ description: 'false: the object was already here and nothing was written' }),
    durability: Durability,
  },
  strict,
);

export const HasInput = Type.Object({ addresses: Type.Array(Address, { minItems: 1, maxItems: 1_000 }) }, strict);
export const HasOutput = Type.Object({ present: Type.Array(Address), missing: Type.Array(Address) }, strict);

export const StatOutput = Type.Object(
  {
    address: Address,
    size: Bytes,
    state: Type.Union([Type.Literal('live'), Type.Literal('trash'), Type.Literal('quarantined')]),
    created_at: TimeMs,
    durability: Durability,
  },
  strict,
);

/** Why an object is kept: an empty list means that the next collection may take it. */
export const WhyOutput = Type.Object(
  {
    address: Address,
    present: Type.Boolean(),
    state: Type.Union([
      Type.Literal('live'),
      Type.Literal('trash'),
      Type.Literal('quarantined'),
      Type.Literal('absent'),
    ]),
    holders: Type.Array(
      Type.Object(
        {
          kind: Type.Union([
            Type.Literal('name'),
            Type.Literal('message'),
            Type.Literal('manifest'),
            Type.Literal('pin'),
            Type.Literal('recent'),
          ]),
          id: Type.String({
            description: 'the name, `<box>/<message id>`, address of the manifest, holder of the pin',
          }),
        },
        strict,
      ),
    ),
  },
  strict,
);

export const CollectInput = Type.Object({ dry_run: Type.Optional(Type.Boolean()) }, strict);
export const CollectOutput = Type.Object(
  {
    dry_run: Type.Boolean(),
    examined: Count,
    kept: Count,
    trashed: Count,
    trashed_bytes: Bytes,
    purged: Count,
    purged_bytes: Bytes,
    sample: Type.Array(Address, { maxItems: 100, description: 'up to 100 of the addresses concerned' }),
  },
  strict,
);

export const ScrubInput = Type.Object(
  {
    action: Type.Union([Type.Literal('start'), Type.Literal('status'), Type.Literal('stop')]),
    bytes_per_second: Type.Optional(Type.Integer({ minimum: 65_536, maximum: Number.MAX_SAFE_INTEGER })),
  },
  strict,
);
export const ScrubOutput = Type.Object(
  {
    running: Type.Boolean(),
    checked_objects: Count,
    checked_bytes: Bytes,
    total_bytes: Bytes,
    bad: Type.Array(Address, { maxItems: 1_000 }),
    eta_ms: Type.Optional(DurationMs),
  },
  strict,
);

export const UsageOutput = Type.Object(
  {
    objects: Count,
    bytes: Bytes,
    objects_max: Count,
    bytes_max: Bytes,
    trash_objects: Count,
    trash_bytes: Bytes,
    quarantined: Count,
    uploads: Count,
    durability: Durability,
  },
  strict,
);

export const UploadId = Type.String({ pattern: '^[0-9a-f]{32}$' });

/** `missing`: base64url bitmap of 64 KiB groups not yet verified, lowest bit first; only for uploads with an outboard. */
export const UploadState = Type.Object(
  {
    upload_id: UploadId,
    size: Bytes,
    offset: Bytes,
    complete: Type.Boolean(),
    address: Type.Optional(Address),
    missing: Type.Optional(Type.String()),
    durability: Type.Optional(Durability),
    expires_at: TimeMs,
  },
  strict,
);

export const storageContract = defineContract({
  name: 'storage',
  app: 0x0301,
  operations: {
    put: {
      summary: 'Store bytes; answers after they are as durable as it says',
      input: Type.Object({ address: Type.Optional(Address), size: Type.Optional(Bytes) }, strict),
      output: PutOutput,
      errors: ['bad_digest', 'payload_too_large', 'insufficient_storage', 'request_timeout'],
      scopes: [{ method: 'write', resource: 'o/' }],
      body: 'in',
      mutation: true,
    },
    get: {
      summary: 'Bytes of an object or of a span of it; every group is verified before it leaves',
      input: Span,
      output: Type.Object({ address: Address, size: Bytes, start: Bytes, length: Bytes }, strict),
      errors: ['not_found', 'integrity', 'range_not_satisfiable'],
      scopes: [{ method: 'read', resource: 'o/{address}' }],
      body: 'out',
    },
    slice: {
      summary: 'A span with the tree nodes that prove it (docs/specs/verified-bytes.md)',
      input: Span,
      output: Type.Object({ address: Address, size: Bytes, slice_size: Bytes }, strict),
      errors: ['not_found', 'integrity'],
      scopes: [{ method: 'read', resource: 'o/{address}' }],
      body: 'out',
    },
    outboard: {
      summary: 'The interior nodes of the tree above the 64 KiB groups',
      input: ByAddress,
      output: Type.Object({ address: Address, size: Bytes, outboard_size: Bytes }, strict),
      errors: ['not_found', 'integrity'],
      scopes: [{ method: 'read', resource: 'o/{address}' }],
      body: 'out',
    },
    has: {
      summary: 'Which of up to 1,000 addresses are here; those present are kept from collection for the grace time',
      input: HasInput,
      output: HasOutput,
      errors: ['insufficient_storage'],
      scopes: [{ method: 'read', resource: 'o/' }],
    },
    stat: {
      summary: 'Size and state of an object',
      input: ByAddress,
      output: StatOutput,
      errors: ['not_found'],
      scopes: [{ method: 'read', resource: 'o/{address}' }],
    },
    pin: {
      summary: 'Keep an object for a holder until it is unpinned',
      input: Type.Object({ address: Address, holder: Type.String({ minLength: 1, maxLength: 256 }) }, strict),
      output: Type.Object({}, strict),
      errors: ['not_found', 'insufficient_storage'],
      scopes: [{ method: 'write', resource: 'o/' }],
      mutation: true,
    },
    unpin: {
      summary: 'Release a pin; releasing an absent one changes nothing',
      input: Type.Object({ address: Address, holder: Type.String({ minLength: 1, maxLength: 256 }) }, strict),
      output: Type.Object({}, strict),
      errors: ['insufficient_storage'],
      scopes: [{ method: 'delete', resource: 'o/' }],
      mutation: true,
    },
    why: {
      summary: 'Who keeps this object',
      input: ByAddress,
      output: WhyOutput,
      errors: [],
      scopes: [{ method: 'admin', resource: 'admin/storage' }],
    },
    collect: {
      summary: 'Move what nobody holds to the trash, and purge trash past its window',
      input: CollectInput,
      output: CollectOutput,
      errors: ['conflict', 'insufficient_storage'],
      scopes: [{ method: 'admin', resource: 'admin/storage' }],
      mutation: true,
      audit: { level: 'privileged', input: ['dry_run'], output: ['trashed', 'purged'] },
      limits: { timeoutMs: 600_000 },
    },
    undelete: {
      summary: 'Take an object back out of the trash',
      input: ByAddress,
      output: StatOutput,
      errors: ['not_found', 'insufficient_storage'],
      scopes: [{ method: 'admin', resource: 'admin/storage' }],
      mutation: true,
      audit: { level: 'privileged', input: ['address'] },
    },
    scrub: {
      summary: 'Read and verify everything at a stated pace',
      input: ScrubInput,
      output: ScrubOutput,
      errors: [],
      scopes: [{ method: 'admin', resource: 'admin/storage' }],
    },
    usage: {
      summary: 'Objects and bytes against their budgets',
      input: Type.Object({}, strict),
      output: UsageOutput,
      errors: [],
      scopes: [{ method: 'admin', resource: 'admin/storage' }],
    },
    quarantined: {
      summary: 'Objects whose stored bytes failed verification',
      input: Type.Object({ cursor: Type.Optional(Cursor) }, strict),
      output: Type.Object({ addresses: Type.Array(Address), cursor: Type.Optional(Cursor) }, strict),
      errors: [],
      scopes: [{ method: 'admin', resource: 'admin/storage' }],
    },
    upload_create: {
      summary: 'Begin a resumable upload; with an outboard as body every group is verified as it arrives',
      input: Type.Object({ size: Bytes, address: Type.Optional(Address) }, strict),
      output: UploadState,
      errors: ['bad_digest', 'payload_too_large', 'insufficient_storage'],
      scopes: [{ method: 'write', resource: 'o/' }],
      body: 'in',
      mutation: true,
    },
    upload_status: {
      summary: 'Where an upload stands; completes one whose bytes are all here',
      input: Type.Object({ upload_id: UploadId }, strict),
      output: UploadState,
      errors: ['not_found', 'bad_digest', 'insufficient_storage'],
      scopes: [{ method: 'write', resource: 'o/' }],
    },
    upload_write: {
      summary: 'Append bytes at the offset (plain), or send whole groups in any order (with an outboard)',
      input: Type.Object({ upload_id: UploadId, offset: Bytes }, strict),
      output: UploadState,
      errors: ['not_found', 'conflict', 'bad_digest', 'payload_too_large', 'insufficient_storage', 'request_timeout'],
      scopes: [{ method: 'write', resource: 'o/' }],
      body: 'in',
      mutation: true,
    },
    upload_abort: {
      summary: 'Drop an upload and its bytes',
      input: Type.Object({ upload_id: UploadId }, strict),
      output: Type.Object({}, strict),
      errors: ['not_found'],
      scopes: [{ method: 'write', resource: 'o/' }],
      mutation: true,
    },
  },
});
