import { Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Address, Bytes, Count, strict } from './fields.ts';

const ByAddress = Type.Object({ address: Address }, strict);

/** As of `storage.get`: without `length`, to the end. */
const Span = Type.Object({ address: Address, start: Type.Optional(Bytes), length: Type.Optional(Bytes) }, strict);

/** `HIT`: answered from what was here already. */
export const CacheState = Type.Union([Type.Literal('HIT'), Type.Literal('MISS')]);

const Addresses = Type.Array(Address, { minItems: 1, maxItems: 1_000 });

/** Exactly one of the two. */
export const PurgeInput = Type.Object(
  { address: Type.Optional(Address), all: Type.Optional(Type.Literal(true)) },
  strict,
);
export const PurgeOutput = Type.Object({ entries: Count, bytes: Bytes }, strict);

export const WarmOutput = Type.Object(
  {
    objects: Count,
    bytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'read, from here or the source' }),
    failed: Type.Array(
      Type.Object({ address: Address, code: Type.String({ description: 'of the table of errors' }) }, strict),
      { maxItems: 1_000 },
    ),
  },
  strict,
);

export const EdgeUsage = Type.Object(
  {
    tiers: Type.Array(
      Type.Object(
        {
          tier: Type.Union([Type.Literal('ram'), Type.Literal('disk')]),
          on: Type.Boolean(),
          bytes: Bytes,
          bytes_max: Bytes,
          entries: Count,
          hits: Count,
        },
        strict,
      ),
      { maxItems: 2, description: 'empty where the storage’s own memory is what is read' },
    ),
    hits: Count,
    misses: Count,
    fetched_bytes: Bytes,
    integrity_failures: Count,
  },
  strict,
);

export const packMediaType = 'application/vnd.ron.pack';

const admin = [{ method: 'admin', resource: 'admin/edge' }] as const;

/** The read-through cache of verified 64 KiB groups between those who serve objects and those who keep them. */
export const edgeContract = defineContract({
  name: 'edge',
  app: 0x0502,
  operations: {
    read: {
      summary:
        'Bytes of an object or of a span of it, from here or through here; every group is verified before it leaves',
      input: Span,
      output: Type.Object(
        {
          address: Address,
          size: Bytes,
          start: Bytes,
          length: Bytes,
          cache: CacheState,
          age_s: Type.Optional(
            Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'seconds since it was fetched' }),
          ),
        },
        strict,
      ),
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
    stat: {
      summary: 'Size of an object; `integrity` when its stored bytes are known to be damaged',
      input: Type.Object(
        {
          address: Address,
          keep: Type.Optional(
            Type.Boolean({
              description: 'its storage keeps it from collection for the grace time, as its own stat does',
            }),
          ),
        },
        strict,
      ),
      output: Type.Object({ address: Address, size: Bytes }, strict),
      errors: ['not_found', 'integrity'],
      scopes: [{ method: 'read', resource: 'o/{address}' }],
    },
    purge: {
      summary: 'Drop what is cached of one object, or everything; `entries` are groups and outboards',
      input: PurgeInput,
      output: PurgeOutput,
      errors: [],
      scopes: admin,
      frees: true,
      mutation: true,
      audit: { level: 'privileged', input: ['address', 'all'], output: ['entries', 'bytes'] },
      http: [{ method: 'POST', path: '/admin/edge/purge', json: true, reply: 'json' }],
    },
    warm: {
      summary: 'Read up to 1,000 objects now, so that their readers find them here',
      input: Type.Object({ addresses: Addresses }, strict),
      output: WarmOutput,
      errors: [],
      scopes: admin,
      mutation: true,
      audit: { level: 'privileged', output: ['objects', 'bytes'] },
      limits: { timeoutMs: 600_000 },
      http: [{ method: 'POST', path: '/admin/edge/warm', json: true, reply: 'json' }],
    },
    usage: {
      summary: 'What is cached, in which tier, and how it is used',
      input: Type.Object({}, strict),
      output: EdgeUsage,
      errors: [],
      scopes: admin,
      http: [{ method: 'GET', path: '/admin/edge/usage', reply: 'json' }],
    },
    pack_export: {
      summary: 'Up to 1,000 objects with their outboards as one stream (docs/specs/pack.md)',
      input: Type.Object({ addresses: Addresses }, strict),
      output: Type.Object({ content_type: Type.Literal(packMediaType), objects: Count, pack_size: Bytes }, strict),
      errors: ['not_found', 'integrity'],
      scopes: admin,
      body: 'out',
      costly: true,
      http: [
        {
          method: 'POST',
          path: '/admin/edge/packs/export',
          json: true,
          replyHeaders: { content_type: 'content-type', pack_size: 'content-length' },
          reply: 'stream',
        },
      ],
    },
    pack_import: {
      summary: 'Take a pack in; each group is verified before it is kept, and what came before a bad one stays',
      input: Type.Object({}, strict),
      output: Type.Object({ objects: Count, bytes: Bytes }, strict),
      errors: ['bad_digest', 'insufficient_storage', 'request_timeout'],
      scopes: admin,
      body: 'in',
      mutation: true,
      audit: { level: 'privileged', output: ['objects', 'bytes'] },
      http: [{ method: 'POST', path: '/admin/edge/packs/import', reply: 'json' }],
    },
  },
});
