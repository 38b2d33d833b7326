import { type Static, type TSchema, Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Address, Count, Cursor, strict, TimeMs } from './fields.ts';

/** Limits of one request; each has tests at −1, 0 and +1. */
export const kmsRequestLimits = {
  /** Bytes that are signed or tagged; larger content is signed by its address. */
  payloadBytesMax: 65_536,
  /** Bytes that one call wraps: a data key, not data. */
  plaintextBytesMax: 4_096,
  aadBytesMax: 4_096,
  rewrapItemsMax: 1_000,
  /** Characters of wrapped values and aad of one `rewrap`, so that call and answer fit into one frame of 1 MiB. */
  rewrapCharactersMax: 524_288,
  pageMax: 1_000,
} as const;

const limit = kmsRequestLimits;

/** The length of padded base64 (RFC 4648, 4). */
const base64 = (bytesMax: number, description: string) =>
  Type.String({ maxLength: Math.ceil(bytesMax / 3) * 4 + 4, description });

/** `tenant/purpose/alg/uuid#version`; travels in bodies, because of its slashes and its `#`. */
export const KeyIdText = Type.String({ minLength: 1, maxLength: 200, description: 'tenant/purpose/alg/uuid#version' });
export const KeyAlgorithmName = Type.Union([
  Type.Literal('ed25519'),
  Type.Literal('ml-dsa-65'),
  Type.Literal('hmac'),
  Type.Literal('aes-256-gcm'),
]);
export const KeyStateName = Type.Union(
  [Type.Literal('active'), Type.Literal('verifying'), Type.Literal('retired'), Type.Literal('destroyed')],
  { description: 'everything; verifies, tags and unwraps; is listed; is listed and its secret is gone' },
);

/** Signed: canonical JSON (RFC 8785) of the other fields and `"type":"ron-kms/destruction/v1"`. */
export const DestructionStatement = Type.Object(
  {
    kid: KeyIdText,
    fingerprint: Address,
    destroyed_at: TimeMs,
    generation: Count,
    signer: KeyIdText,
    signature: Type.String({ description: 'Ed25519 of the signer, base64url' }),
  },
  strict,
);
export type DestructionStatement = Static<typeof DestructionStatement>;

export const KeyEntry = Type.Object(
  {
    kid: KeyIdText,
    tenant: Type.String(),
    purpose: Type.String(),
    alg: KeyAlgorithmName,
    version: Count,
    state: KeyStateName,
    created_at: TimeMs,
    destruction: Type.Optional(DestructionStatement),
  },
  strict,
);
export type KeyEntry = Static<typeof KeyEntry>;

const kid = { kid: KeyIdText };
const opId = {
  op_id: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_-]{8,64}$',
      description: 'the same one and request: the same answer, also after a restart. Default: the Idempotency-Key',
    }),
  ),
};
const evenActive = {
  even_active: Type.Optional(
    Type.Boolean({ description: 'the active version too: nothing is signed or wrapped with this key any more' }),
  ),
};
const aad = {
  aad_base64: Type.Optional(base64(limit.aadBytesMax, 'authenticated with the wrapped bytes; default empty')),
};
const wrapped = { wrapped_base64: base64(limit.plaintextBytesMax + 33, 'what `wrap` answered') };
/** Exactly one of the two. */
const payload = {
  payload_base64: Type.Optional(base64(limit.payloadBytesMax, 'at most 64 KiB')),
  address: Type.Optional(
    Type.Unsafe<string>({ ...Address, description: 'of larger content: its 67 ASCII characters are what is signed' }),
  ),
};

const admin = [{ method: 'admin', resource: 'admin/kms' }] as const;

function post<const S extends string, const I extends TSchema, const O extends TSchema>(
  path: S,
  summary: string,
  input: I,
  output: O,
) {
  const http = [{ method: 'POST', path, json: true, reply: 'json' }] as const;
  return { summary, input, output, scopes: admin, http } as const;
}

const recorded = ['kid', 'tenant', 'purpose', 'alg'] as const;

/**
 * Keys of the caller's tenant; of all tenants for a caller that is bound to none. The node's own keys (tenant `node`)
 * are listed, rotated (not by which others know the node: `identity`, `registry`) and retired here and do no work:
 * `forbidden`, because whoever signs with them is the node.
 *
 * What changes a key is `privileged` in the audit log: it waits for two syncs, and happens a few times a year. Work with
 * a key is an `event`: to wait for the log would make each signature ten times as slow, and what it misses it counts.
 */
export const kmsContract = defineContract({
  name: 'kms',
  app: 0x0401,
  administersTenants: true,
  operations: {
    create: {
      ...post(
        '/kms/keys',
        'Make a key. `tenant` is the caller’s own without it',
        Type.Object(
          {
            tenant: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' })),
            purpose: Type.String({ pattern: '^[a-z0-9-]{1,32}$' }),
            alg: KeyAlgorithmName,
            ...opId,
          },
          strict,
        ),
        KeyEntry,
      ),
      errors: ['conflict', 'insufficient_storage'],
      mutation: true,
      idempotency: 'handler',
      audit: { level: 'privileged', input: ['tenant', 'purpose', 'alg', 'op_id'], output: recorded },
    },
    list: {
      summary: 'Every version of every key, oldest first, tombstones included',
      input: Type.Object(
        {
          tenant: Type.Optional(Type.String({ maxLength: 64 })),
          purpose: Type.Optional(Type.String({ maxLength: 32 })),
          cursor: Type.Optional(Cursor),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limit.pageMax })),
        },
        strict,
      ),
      output: Type.Object({ keys: Type.Array(KeyEntry), generation: Count, cursor: Type.Optional(Cursor) }, strict),
      errors: [],
      scopes: admin,
      http: [{ method: 'GET', path: '/kms/keys', query: ['tenant', 'purpose', 'cursor', 'limit'], reply: 'json' }],
    },
    public_key: {
      summary: 'The raw public half; in the path, `#` is written %23',
      input: Type.Object(kid, strict),
      output: Type.Object(
        { kid: KeyIdText, alg: KeyAlgorithmName, state: KeyStateName, public_key_base64: Type.String() },
        strict,
      ),
      errors: ['not_found'],
      scopes: admin,
      http: [
        { method: 'GET', path: '/kms/keys/*kid', reply: 'json' },
        { method: 'POST', path: '/kms/public-key', json: true, reply: 'json' },
      ],
    },
    sign: {
      ...post(
        '/kms/sign',
        'Sign bytes, or the address of content. 64 bytes of Ed25519, 3,309 of ML-DSA-65',
        Type.Object({ ...kid, ...payload }, strict),
        Type.Object({ kid: KeyIdText, signature_base64: Type.String() }, strict),
      ),
      errors: ['not_found', 'conflict', 'payload_too_large'],
      audit: { level: 'event', input: ['kid', 'address'] },
    },
    verify: {
      ...post(
        '/kms/verify',
        'Whether a signature, or the tag of an `hmac` key, is this key’s over the same bytes',
        Type.Object({ ...kid, ...payload, signature_base64: base64(4_096, 'signature or tag') }, strict),
        Type.Object({ valid: Type.Boolean() }, strict),
      ),
      errors: ['not_found', 'payload_too_large'],
    },
    mac: {
      ...post(
        '/kms/mac',
        'The 32-byte tag of bytes, by an `hmac` key',
        Type.Object({ ...kid, ...payload }, strict),
        Type.Object({ kid: KeyIdText, tag_base64: Type.String() }, strict),
      ),
      errors: ['not_found', 'payload_too_large'],
      audit: { level: 'event', input: ['kid', 'address'] },
    },
    wrap: {
      ...post(
        '/kms/wrap',
        'Seal a data key of at most 4 KiB under an `aes-256-gcm` key',
        Type.Object({ ...kid, plaintext_base64: base64(limit.plaintextBytesMax, 'at most 4 KiB'), ...aad }, strict),
        Type.Object({ kid: KeyIdText, wrapped_base64: Type.String() }, strict),
      ),
      errors: ['not_found', 'conflict', 'payload_too_large'],
    },
    unwrap: {
      ...post(
        '/kms/unwrap',
        'Open what was wrapped with any version of the key that is not retired',
        Type.Object({ ...kid, ...wrapped, ...aad }, strict),
        Type.Object({ plaintext_base64: Type.String() }, strict),
      ),
      errors: ['not_found', 'payload_too_large'],
      audit: { level: 'event', input: ['kid'] },
    },
    rewrap: {
      ...post(
        '/kms/rewrap',
        'Move wrapped values to the active version. Each item succeeds or fails alone; may be repeated',
        Type.Object(
          {
            ...kid,
            items: Type.Array(Type.Object({ ...wrapped, ...aad }, strict), {
              minItems: 1,
              maxItems: limit.rewrapItemsMax,
            }),
          },
          strict,
        ),
        Type.Object(
          {
            kid: KeyIdText,
            results: Type.Array(
              Type.Object(
                {
                  outcome: Type.Union([Type.Literal('done'), Type.Literal('unchanged'), Type.Literal('failed')]),
                  wrapped_base64: Type.Optional(Type.String({ description: 'to keep instead; absent when failed' })),
                },
                strict,
              ),
            ),
            done: Count,
            unchanged: Count,
            failed: Count,
          },
          strict,
        ),
      ),
      errors: ['not_found', 'payload_too_large'],
      audit: { level: 'privileged', input: ['kid'], output: ['kid', 'done', 'unchanged', 'failed'] },
    },
    rotate: {
      ...post(
        '/kms/rotate',
        'A new active version of the key. The one before still verifies, tags and unwraps',
        Type.Object({ ...kid, ...opId }, strict),
        KeyEntry,
      ),
      errors: ['not_found', 'conflict', 'insufficient_storage'],
      mutation: true,
      idempotency: 'handler',
      audit: { level: 'privileged', input: ['kid', 'op_id'], output: recorded },
    },
    retire: {
      ...post(
        '/kms/retire',
        'A version does nothing any more and stays listed. There is no way back',
        Type.Object({ ...kid, ...evenActive, ...opId }, strict),
        KeyEntry,
      ),
      errors: ['not_found', 'conflict', 'insufficient_storage'],
      mutation: true,
      idempotency: 'handler',
      audit: { level: 'privileged', input: ['kid', 'even_active', 'op_id'], output: recorded },
    },
    destroy: {
      ...post(
        '/kms/destroy',
        'The secret leaves the keystore for good; a signed statement of it stays',
        Type.Object({ ...kid, ...evenActive, ...opId }, strict),
        DestructionStatement,
      ),
      errors: ['not_found', 'conflict', 'insufficient_storage'],
      mutation: true,
      idempotency: 'handler',
      audit: {
        level: 'privileged',
        input: ['kid', 'even_active', 'op_id'],
        output: ['kid', 'fingerprint', 'generation', 'signer'],
      },
    },
  },
});
