import { type Static, Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Address, Count, Cursor, DurationMs, NameText, PathText, strict, TimeMs } from './fields.ts';
import { Contact, NodeId } from './network.ts';

/** The signature covers the canonical JSON (RFC 8785) of the record without `signature`. */
const recordFields = {
  name: NameText,
  address: Address,
  version: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'only grows, by one' }),
  prev: Type.Union([Address, Type.Null()], { description: 'the address of the version before' }),
  updated_at: TimeMs,
  owner: Type.String({ description: 'key id of the signer' }),
  expires_at: Type.Optional(TimeMs),
  signature: Type.String({ description: 'Ed25519, base64url' }),
};

export const NameRecord = Type.Object(recordFields, strict);

export const Resolution = Type.Object(
  {
    ...recordFields,
    providers: Type.Array(Type.String(), { maxItems: 32 }),
    freshness_ms: DurationMs,
    source: Type.Union([Type.Literal('memory'), Type.Literal('disk'), Type.Literal('network')]),
  },
  strict,
);

const ifVersion = Type.Optional(Count);

/** Who follows the log sees every version of every name, so that a node cannot show two histories. */
export const nameSet = { level: 'event', input: ['name', 'address'], output: ['version', 'prev'] } as const;
export const nameRemoved = { level: 'event', input: ['name'], output: ['version'] } as const;

/** Nodes that are asked about one name. */
export const namesAskedMax = 8;

const NameAnswer = Type.Object(
  {
    node: Contact,
    took_ms: Count,
    outcome: Type.Union([
      Type.Literal('found'),
      Type.Literal('missing', { description: 'it has no such name, or does not let this node read it' }),
      Type.Literal('expired', { description: 'what it has is past its time' }),
      Type.Literal('failed', { description: 'not reached, no answer in time, or one that is none' }),
    ]),
    code: Type.Optional(Type.String({ description: 'of the error' })),
    name: Type.Optional(NameText),
    address: Type.Optional(Address),
    version: Type.Optional(Count),
  },
  strict,
);
export type NameAnswer = Static<typeof NameAnswer>;

/** Shared by the index and the public API in front of it. */
export const nameTrace = {
  input: Type.Object({ path: PathText }, strict),
  output: Type.Object(
    {
      record: Type.Optional(Resolution),
      rest: Type.Optional(Type.String({ description: 'of the path, behind the name' })),
      asked: Type.Array(NameAnswer, {
        maxItems: namesAskedMax,
        description: 'in the order in which they are believed; none when the name is here',
      }),
      believed: Type.Optional(NodeId),
    },
    strict,
  ),
  errors: ['integrity'],
  scopes: [
    { method: 'read', resource: 'n/{path}' },
    { method: 'admin', resource: 'admin/index' },
  ],
  costly: true,
} as const;

export const indexContract = defineContract({
  name: 'index',
  app: 0x0302,
  operations: {
    resolve: {
      summary: 'The record of a name',
      input: Type.Object({ name: NameText, fresh: Type.Optional(Type.Boolean()) }, strict),
      output: Resolution,
      errors: ['not_found', 'integrity'],
      scopes: [{ method: 'read', resource: 'n/{name}' }],
    },
    match: {
      summary: 'The longest existing name that is the path or a folder above it, and the rest of the path',
      input: Type.Object({ path: PathText }, strict),
      output: Type.Object({ record: Resolution, rest: Type.String() }, strict),
      errors: ['not_found', 'integrity'],
      scopes: [{ method: 'read', resource: 'n/{path}' }],
    },
    set: {
      summary: 'Point a name at an address. `if_version` 0 = must not exist; absent = whatever is there',
      input: Type.Object(
        { name: NameText, address: Address, if_version: ifVersion, expires_at: Type.Optional(TimeMs) },
        strict,
      ),
      output: NameRecord,
      errors: ['conflict', 'insufficient_storage', 'integrity'],
      scopes: [{ method: 'write', resource: 'n/{name}' }],
      mutation: true,
      audit: nameSet,
    },
    remove: {
      summary: 'Forget a name. Its versions go on counting when it is set again',
      input: Type.Object({ name: NameText, if_version: ifVersion }, strict),
      output: Type.Object({ name: NameText, version: Count }, strict),
      errors: ['not_found', 'conflict', 'insufficient_storage', 'integrity'],
      scopes: [{ method: 'delete', resource: 'n/{name}' }],
      mutation: true,
      audit: nameRemoved,
    },
    history: {
      summary: 'Versions of a name, newest first',
      input: Type.Object(
        {
          name: NameText,
          cursor: Type.Optional(Cursor),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
        },
        strict,
      ),
      output: Type.Object({ records: Type.Array(NameRecord), cursor: Type.Optional(Cursor) }, strict),
      errors: ['not_found', 'integrity'],
      scopes: [{ method: 'read', resource: 'n/{name}' }],
    },
    list: {
      summary: 'Names under a prefix, in byte order',
      input: Type.Object(
        {
          prefix: Type.Optional(Type.String({ maxLength: 253 })),
          cursor: Type.Optional(Cursor),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
        },
        strict,
      ),
      output: Type.Object({ names: Type.Array(NameRecord), cursor: Type.Optional(Cursor) }, strict),
      errors: ['integrity'],
      scopes: [{ method: 'list', resource: 'n/{prefix}' }],
    },
    trace: {
      summary:
        'Where a name is found: here, or by which of the trusted nodes, all of which are asked now; for operators',
      ...nameTrace,
    },
    roots: {
      summary: 'Every address that a name or its kept history points at: what garbage collection must not take',
      input: Type.Object({ cursor: Type.Optional(Cursor) }, strict),
      output: Type.Object(
        {
          roots: Type.Array(Type.Object({ name: NameText, address: Address }, strict), { maxItems: 1_000 }),
          cursor: Type.Optional(Cursor),
        },
        strict,
      ),
      errors: ['integrity'],
      scopes: [{ method: 'admin', resource: 'admin/storage' }],
    },
  },
});
