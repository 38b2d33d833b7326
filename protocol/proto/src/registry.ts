import { type Static, Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Address, Bytes, Count, strict, TimeMs } from './fields.ts';
import { registryLimits } from './registry-limits.ts';

export { registryLimits } from './registry-limits.ts';

const limit = registryLimits;

/** `node/…`, `service/…` or `region/…`. */
export const DescriptorId = Type.String({
  maxLength: 160,
  pattern: '^(node|service|region)/[a-z0-9][a-z0-9._:-]*(/[a-z0-9][a-z0-9._:-]*){0,3}$',
});
const Label = Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' });
/** base64url without padding: a raw public key of at most 2,048 bytes. */
const KeyText = Type.String({ pattern: '^[A-Za-z0-9_-]{1,2731}$' });

export const Descriptor = Type.Object(
  {
    id: DescriptorId,
    kind: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$', description: 'micronode, storage, edge …' }),
    endpoints: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 512 }), { maxItems: limit.endpointsMax }),
    ),
    keys: Type.Optional(
      Type.Record(Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' }), KeyText, {
        maxProperties: limit.keysMax,
        additionalProperties: false,
      }),
    ),
    region: Type.Optional(Label),
    meta: Type.Optional(Type.Record(Type.String({ maxLength: 128 }), Type.Unknown(), { description: 'at most 4 KiB' })),
  },
  strict,
);
export type Descriptor = Static<typeof Descriptor>;

export const SignerName = Type.String({ pattern: '^[A-Za-z0-9._:@/#-]{1,128}$' });

/** With both keys, both must sign. */
export const RegistrySigner = Type.Object(
  {
    name: SignerName,
    keys: Type.Object(
      {
        ed25519: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: '32 bytes, base64url' }),
        'ml-dsa-65': Type.Optional(
          Type.String({ pattern: '^[A-Za-z0-9_-]{2603}$', description: '1,952 bytes, base64url' }),
        ),
      },
      strict,
    ),
  },
  strict,
);
export type RegistrySigner = Static<typeof RegistrySigner>;

const signers = Type.Array(RegistrySigner, { minItems: 1, maxItems: limit.signersMax });
const threshold = Type.Integer({ minimum: 1, maximum: limit.signersMax });
const Version = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

export const RevokedSigner = Type.Object(
  { name: SignerName, key: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'its Ed25519 key' }) },
  strict,
);

/** What is signed. Lists are sorted: descriptors by id, signers and revoked signers by name. */
export const Snapshot = Type.Object(
  {
    type: Type.Literal('ron-registry'),
    version: Version,
    /** The id of the snapshot before; absent in version 1 only. */
    previous: Type.Optional(Address),
    issued_at: TimeMs,
    expires_at: TimeMs,
    signers,
    threshold,
    descriptors: Type.Array(Descriptor, { maxItems: limit.descriptorsMax }),
    revoked_signers: Type.Array(RevokedSigner, { maxItems: limit.revokedMax }),
  },
  strict,
);
export type Snapshot = Static<typeof Snapshot>;

export const RegistryChange = Type.Union([
  Type.Object({ set: Descriptor }, strict),
  Type.Object({ remove: DescriptorId }, strict),
  Type.Object({ signers, threshold }, strict),
  Type.Object({ revoke_signer: SignerName }, strict),
]);
export type RegistryChange = Static<typeof RegistryChange>;

export const RegistrySignature = Type.Object(
  {
    signer: SignerName,
    alg: Type.Union([Type.Literal('ed25519'), Type.Literal('ml-dsa-65')]),
    signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$|^[A-Za-z0-9_-]{4412}$', description: 'base64url' }),
  },
  strict,
);
export type RegistrySignature = Static<typeof RegistrySignature>;

export const SnapshotHead = Type.Object(
  { version: Version, id: Address, issued_at: TimeMs, expires_at: TimeMs },
  strict,
);
export type SnapshotHead = Static<typeof SnapshotHead>;

/** `proposal` is the id of the document itself: what is signed is what is named. */
export const ProposalState = Type.Object(
  {
    proposal: Address,
    version: Version,
    previous: Address,
    issued_at: TimeMs,
    expires_at: TimeMs,
    /** The proposal itself is forgotten then. */
    open_until: TimeMs,
    /** Of the document that is to be signed. */
    bytes: Bytes,
    proposed_by: Type.String(),
    changes: Count,
    /** Names whose signatures hold and are complete: both algorithms where there are two keys. */
    approved_by: Type.Array(SignerName, { maxItems: 2 * limit.signersMax }),
    /** Approvals of the signers in force, and how many there must be. */
    approvals: Count,
    threshold,
    /** The same for the new list, where the proposal changes the signers. */
    new_approvals: Type.Optional(Count),
    new_threshold: Type.Optional(threshold),
    ready: Type.Boolean({ description: 'a commit would find enough approvals' }),
    stale: Type.Boolean({ description: 'the head has moved: propose again' }),
  },
  strict,
);
export type ProposalState = Static<typeof ProposalState>;

const admin = [{ method: 'admin', resource: 'admin/registry' }] as const;
const read = [{ method: 'read', resource: 'admin/registry' }] as const;
const post = (path: string) => [{ method: 'POST', path, json: true, reply: 'json' }] as const;
const documentRoute = {
  method: 'GET',
  replyHeaders: { content_type: 'content-type', id: 'ron-registry-id', version: 'ron-registry-version' },
  reply: 'stream',
} as const;
const DocumentOutput = Type.Object(
  { content_type: Type.Literal('application/json'), id: Address, version: Version },
  strict,
);

/**
 * Refusals carry `details.reason`: rollback, fork, stale, gap, expired, unsigned, under_signed, revoked_signer,
 * unknown_signer, bad_signature, malformed, too_large, too_many, unrevoked, signer_changed, closed.
 */
export const registryContract = defineContract({
  name: 'registry',
  app: 0x0303,
  operations: {
    propose: {
      summary: 'The next snapshot: the head with these changes. GET /registry/proposals/{proposal} is what to sign',
      input: Type.Object(
        {
          changes: Type.Array(RegistryChange, {
            maxItems: limit.changesMax,
            description: 'in order; empty only renews the expiry',
          }),
          expires_at: Type.Optional(TimeMs),
          expected_version: Version,
        },
        strict,
      ),
      output: ProposalState,
      errors: ['conflict', 'not_found', 'insufficient_storage'],
      scopes: admin,
      mutation: true,
      audit: { level: 'privileged', input: ['expected_version', 'expires_at'], output: ['proposal', 'version'] },
      http: post('/registry/proposals'),
    },
    proposals: {
      summary: 'The open proposals, oldest first',
      input: Type.Object({}, strict),
      output: Type.Object({ proposals: Type.Array(ProposalState, { maxItems: limit.proposalsMax }) }, strict),
      errors: [],
      scopes: read,
      http: [{ method: 'GET', path: '/registry/proposals', reply: 'json' }],
    },
    proposal_document: {
      summary: 'The whole document that a proposal asks to sign, as canonical JSON',
      input: Type.Object({ proposal: Address }, strict),
      output: DocumentOutput,
      errors: ['not_found'],
      scopes: read,
      body: 'out',
      http: [{ ...documentRoute, path: '/registry/proposals/:proposal' }],
    },
    approve: {
      summary: 'Add signatures to a proposal: made elsewhere, or with `as_node` by the node’s own keys. Idempotent',
      input: Type.Object(
        {
          proposal: Address,
          signatures: Type.Optional(Type.Array(RegistrySignature, { minItems: 1, maxItems: limit.signaturesMax })),
          as_node: Type.Optional(Type.Literal(true)),
        },
        strict,
      ),
      output: ProposalState,
      errors: ['conflict', 'not_found', 'insufficient_storage'],
      scopes: admin,
      mutation: true,
      audit: { level: 'privileged', input: ['proposal', 'as_node'], output: ['version', 'approved_by', 'ready'] },
      http: post('/registry/approvals'),
    },
    commit: {
      summary:
        'Make a proposal the head: enough approvals of the signers in force, and the head still the one before it',
      input: Type.Object({ proposal: Address }, strict),
      output: SnapshotHead,
      errors: ['conflict', 'not_found', 'insufficient_storage'],
      scopes: admin,
      mutation: true,
      audit: { level: 'privileged', input: ['proposal'], output: ['version', 'id', 'expires_at'] },
      http: post('/registry/commit'),
    },
    publish: {
      summary: 'Make a snapshot the head that was built and signed elsewhere; the body is the signed document',
      input: Type.Object({}, strict),
      output: SnapshotHead,
      errors: ['conflict', 'insufficient_storage'],
      scopes: admin,
      body: 'in',
      mutation: true,
      audit: { level: 'privileged', output: ['version', 'id', 'expires_at'] },
      limits: { bodyBytesMax: limit.signedBytesMax },
      http: [{ method: 'POST', path: '/registry/snapshots', reply: 'json' }],
    },
    /** Open: a version and an id reveal nothing of the topology, and let anybody see that two nodes disagree. */
    head: {
      summary: 'Version, id and expiry of the newest snapshot',
      input: Type.Object({}, strict),
      output: SnapshotHead,
      errors: ['not_found'],
      scopes: [],
      shedAs: 'read',
      http: [{ method: 'GET', path: '/registry/head', reply: 'json' }],
    },
    /** Scoped: endpoints and keys of every node are a map for an attacker, and 1 MiB for everybody is an amplifier. */
    snapshot: {
      summary: 'A signed snapshot, byte for byte; the newest thousand and the first are kept',
      input: Type.Object({ version: Version }, strict),
      output: DocumentOutput,
      errors: ['not_found'],
      scopes: read,
      body: 'out',
      http: [
        { ...documentRoute, path: '/registry/snapshots/:version' },
        { ...documentRoute, path: '/registry/:version' },
      ],
    },
    stream: {
      summary:
        'Server-sent events `head`, one a snapshot: its version, id and expiry. `cursor` (a version) resumes after it',
      input: Type.Object({ cursor: Type.Optional(Type.String({ pattern: '^[0-9]{1,16}$' })) }, strict),
      output: Type.Object(
        { content_type: Type.Literal('text/event-stream'), cache_control: Type.Literal('no-store') },
        strict,
      ),
      errors: [],
      scopes: read,
      body: 'out',
      waits: true,
      http: [
        {
          method: 'GET',
          path: '/registry/stream',
          query: ['cursor'],
          headers: { 'last-event-id': 'cursor' },
          replyHeaders: { content_type: 'content-type', cache_control: 'cache-control' },
          reply: 'stream',
        },
      ],
    },
    observe: {
      summary: 'Report the head of another node. A different id for the same version raises the divergence alarm',
      input: Type.Object(
        {
          node: Type.String({ minLength: 1, maxLength: 128, pattern: '^[A-Za-z0-9._:@/-]+$' }),
          version: Version,
          id: Address,
          previous: Type.Optional(Address),
        },
        strict,
      ),
      output: Type.Object(
        {
          verdict: Type.Union(
            [
              Type.Literal('same'),
              Type.Literal('behind'),
              Type.Literal('ahead'),
              Type.Literal('unknown'),
              Type.Literal('diverged'),
            ],
            { description: 'unknown: that version is older than what is kept' },
          ),
          version: Version,
          id: Address,
        },
        strict,
      ),
      errors: ['not_found', 'insufficient_storage'],
      scopes: [{ method: 'write', resource: 'admin/registry' }],
      mutation: true,
      audit: { level: 'event', input: ['node', 'version', 'id'], output: ['verdict', 'version', 'id'] },
      http: post('/registry/observe'),
    },
  },
});
