import { type Static, type TSchema, Type } from 'typebox';
import { CapabilityLimits, RevocationPage, Right } from './capability.ts';
import { defineContract } from './contract.ts';
import { Count, Cursor, strict, TimeMs } from './fields.ts';
import { HeaderText } from './reading.ts';

/** Limits of the passport service; each has tests at −1, 0 and +1. */
export const passportLimits = {
  /** Of a capability. Longer is refused, not clamped. */
  ttlSMax: 3_600,
  ttlSDefault: 900,
  waitMsMax: 30_000,
  rightsMax: 32,
  keysMax: 8,
  subjectMax: 128,
  displayNameMax: 128,
  pageMax: 100,
  /** Wrong bootstrap secrets within one minute. */
  bootstrapFailuresMax: 10,
  /** Capabilities of one family that have not expired: an endless loop of refreshes meets it, a session does not. */
  familyCapabilitiesMax: 64,
} as const;

const limit = passportLimits;

/** Visible characters without spaces at the ends; `anonymous` and `service:…` are the node's own. */
const Subject = Type.String({ minLength: 1, maxLength: limit.subjectMax });
const Tenant = Type.String({ maxLength: 128, description: 'empty = not bound to a tenant' });
const DisplayName = Type.String({ minLength: 1, maxLength: limit.displayNameMax });
/** The 32 raw bytes of an Ed25519 public key, base64url without padding. */
export const PublicKeyText = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'Ed25519, base64url' });
const ProfileKeys = Type.Array(PublicKeyText, { maxItems: limit.keysMax, uniqueItems: true });
const CapabilityId = Type.String({ pattern: '^[0-9A-Za-z-]{26,36}$', description: 'a UUID or a ULID' });
const FamilyId = Type.String({
  pattern: '^[0-9a-f]{32}$',
  description: 'one passport and everything refreshed from it',
});
const TtlS = Type.Integer({
  minimum: 1,
  maximum: limit.ttlSMax,
  description: 'seconds, default 900; more than 3,600 is refused',
});
const Scheme = Type.Union([Type.Literal('hmac'), Type.Literal('ed25519')], {
  description: 'hmac: checked by nodes of the cluster; ed25519: by whoever has the public keys',
});
export const PassportKind = Type.Union([Type.Literal('user'), Type.Literal('service')]);

/** `capability` and `refresh_token` are secrets of the caller. The rest may be logged. */
export const Passport = Type.Object(
  {
    capability: Type.String({ description: 'a secret' }),
    capability_id: CapabilityId,
    refresh_token: Type.String({ description: 'a secret; works once' }),
    subject: Subject,
    tenant: Tenant,
    family: FamilyId,
    expires_at: TimeMs,
    refresh_expires_at: TimeMs,
  },
  strict,
);
export type Passport = Static<typeof Passport>;

export const Profile = Type.Object(
  {
    subject: Subject,
    tenant: Tenant,
    kind: PassportKind,
    display_name: Type.Optional(DisplayName),
    keys: Type.Array(PublicKeyText),
    created_at: TimeMs,
  },
  strict,
);
export type Profile = Static<typeof Profile>;

/** A public key of the node as RFC 7517 and RFC 8037 write it. */
const Jwk = Type.Object(
  {
    kty: Type.Literal('OKP'),
    crv: Type.Literal('Ed25519'),
    x: PublicKeyText,
    kid: Type.String(),
    alg: Type.Literal('EdDSA'),
    use: Type.Literal('sig'),
  },
  strict,
);
/** The body of `GET /passport/keys`, `application/jwk-set+json`. */
export const JwkSet = Type.Object({ keys: Type.Array(Jwk) }, strict);
export type JwkSet = Static<typeof JwkSet>;

const IssueInput = Type.Object(
  {
    subject: Subject,
    tenant: Type.Optional(Tenant),
    display_name: Type.Optional(DisplayName),
    rights: Type.Array(Right, { minItems: 1, maxItems: limit.rightsMax }),
    limits: Type.Optional(CapabilityLimits),
    ttl_s: Type.Optional(TtlS),
    scheme: Type.Optional(Scheme),
    key: Type.Optional(PublicKeyText),
    keys: Type.Optional(ProfileKeys),
    kind: Type.Optional(PassportKind),
  },
  strict,
);
export type IssueInput = Static<typeof IssueInput>;

const admin = [{ method: 'admin', resource: 'admin/passport' }] as const;
/** `key` is the holder's public one. */
const granted = ['ttl_s', 'scheme', 'key'] as const;
const issued = ['subject', 'tenant', 'capability_id', 'family', 'expires_at'] as const;

function post<const S extends string, const I extends TSchema, const O extends TSchema>(
  path: S,
  summary: string,
  input: I,
  output: O,
) {
  return {
    summary,
    input,
    output,
    mutation: true,
    // Answers hold secrets: the service keeps them for 30 s, where the pipeline would for 24 h.
    idempotency: 'handler',
    http: [{ method: 'POST', path, json: true, reply: 'json' }],
  } as const;
}

/** Who may do what on this node: made, renewed and taken back. Behaviour and limits: trust/svc-passport/README.md. */
export const passportContract = defineContract({
  name: 'passport',
  app: 0x0402,
  administersTenants: true,
  operations: {
    bootstrap: {
      ...post(
        '/passport/bootstrap',
        'The first administrator of a fresh node, from the one-time secret that it printed',
        Type.Object(
          {
            secret: Type.String({ minLength: 1, maxLength: 256 }),
            subject: Subject,
            display_name: Type.Optional(DisplayName),
          },
          strict,
        ),
        Passport,
      ),
      errors: ['insufficient_storage'],
      scopes: [],
      audit: { level: 'privileged', input: ['subject'], output: issued },
    },
    issue: {
      ...post(
        '/passport/issue',
        'A capability that never allows more than the issuer’s own, and a refresh token to renew it',
        IssueInput,
        Passport,
      ),
      errors: ['insufficient_storage'],
      scopes: admin,
      audit: {
        level: 'privileged',
        input: ['subject', 'tenant', 'kind', ...granted, 'rights', 'limits'],
        output: issued,
      },
    },
    issue_service: {
      ...post(
        '/passport/services',
        'The identity of a service of this node, bound to its key, with the rights that its contract’s `uses` need',
        Type.Object(
          {
            service: Type.String({ pattern: '^[a-z][a-z0-9-]{0,62}$' }),
            key: PublicKeyText,
            ttl_s: Type.Optional(TtlS),
            scheme: Type.Optional(Scheme),
          },
          strict,
        ),
        Passport,
      ),
      errors: ['not_found', 'insufficient_storage'],
      scopes: admin,
      audit: { level: 'privileged', input: ['service', ...granted], output: issued },
    },
    refresh: {
      ...post(
        '/passport/refresh',
        'A new capability and a new refresh token for one that works once; a used one ends the whole family. Send an Idempotency-Key: a repeat within 30 s gets the same answer',
        Type.Object({ refresh_token: Type.String({ minLength: 1, maxLength: 256 }) }, strict),
        Passport,
      ),
      errors: ['insufficient_storage'],
      scopes: [],
      // Without it a client can do nothing else: it is not refused before what it is needed for.
      shedAs: 'read',
      audit: { level: 'privileged', output: issued },
    },
    revoke: {
      summary: 'Take back one of: a capability, all of a subject, all that one key version minted, a family',
      input: Type.Object(
        {
          capability_id: Type.Optional(CapabilityId),
          subject: Type.Optional(Subject),
          tenant: Type.Optional(Tenant),
          kid: Type.Optional(Type.String({ minLength: 1, maxLength: 160 })),
          family: Type.Optional(FamilyId),
        },
        strict,
      ),
      output: Type.Object(
        {
          seq: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'of the revocation feed' }),
          entries: Type.Integer({ minimum: 0, description: 'entries of the feed that this call made' }),
          families: Type.Integer({ minimum: 0, description: 'families that can no longer be refreshed' }),
        },
        strict,
      ),
      errors: ['not_found', 'insufficient_storage'],
      scopes: admin,
      mutation: true,
      audit: {
        level: 'privileged',
        input: ['capability_id', 'subject', 'tenant', 'kid', 'family'],
        output: ['seq', 'entries', 'families'],
      },
      http: [{ method: 'POST', path: '/passport/revoke', json: true, reply: 'json' }],
    },
    revocations: {
      summary: 'The revocation feed after `since`; waits up to `wait_ms` for something new',
      input: Type.Object(
        {
          since: Type.Optional(Count),
          wait_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: limit.waitMsMax })),
        },
        strict,
      ),
      output: RevocationPage,
      errors: [],
      scopes: [{ method: 'read', resource: 'admin/passport' }],
      waits: 'wait_ms',
      limits: { timeoutMs: limit.waitMsMax + 10_000 },
      http: [{ method: 'GET', path: '/passport/revocations', query: ['since', 'wait_ms'], reply: 'json' }],
    },
    profile: {
      summary: 'Who a subject is: one’s own without `subject`, any of the tenant with admin/passport',
      input: Type.Object({ subject: Type.Optional(Subject), tenant: Type.Optional(Tenant) }, strict),
      output: Profile,
      errors: ['not_found'],
      scopes: [],
      http: [{ method: 'GET', path: '/passport/profile', query: ['subject', 'tenant'], reply: 'json' }],
    },
    list: {
      summary: 'Subjects of the caller’s tenant, of all tenants when it is bound to none',
      input: Type.Object(
        {
          cursor: Type.Optional(Cursor),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limit.pageMax })),
        },
        strict,
      ),
      output: Type.Object(
        { subjects: Type.Array(Profile, { maxItems: limit.pageMax }), cursor: Type.Optional(Cursor) },
        strict,
      ),
      errors: [],
      scopes: admin,
      http: [{ method: 'GET', path: '/passport/subjects', query: ['cursor', 'limit'], reply: 'json' }],
    },
    keys: {
      summary: 'The public keys that check ed25519 capabilities, as a JWK set: every version that still verifies',
      input: Type.Object({ if_none_match: Type.Optional(HeaderText) }, strict),
      output: Type.Object(
        {
          http_status: Type.Union([Type.Literal(200), Type.Literal(304)]),
          etag: Type.String(),
          cache_control: Type.String(),
          content_type: Type.Optional(Type.Literal('application/jwk-set+json')),
        },
        strict,
      ),
      errors: [],
      scopes: [],
      shedAs: 'read',
      body: 'out',
      http: [
        {
          method: 'GET',
          path: '/passport/keys',
          headers: { 'if-none-match': 'if_none_match' },
          statusField: 'http_status',
          replyHeaders: { etag: 'etag', cache_control: 'cache-control', content_type: 'content-type' },
          reply: 'stream',
        },
      ],
    },
  },
});
