import { Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Address, Count, strict, TimeMs } from './fields.ts';

/** Limits of policy requests; the limits of the document itself are in docs/specs/policy.md. */
export const policyLimits = {
  /** Proposals that wait for signatures. */
  proposalsMax: 16,
  /** Signatures that come with one document. */
  signaturesMax: 64,
  /** Ids that `history` answers with. */
  historyMax: 256,
} as const;

/** The id of a policy: the address of its canonical JSON. */
const PolicyId = Address;
const Reason = Type.String({ maxLength: 512 });
const Signer = Type.String({ minLength: 1, maxLength: 128 });

const Signatures = Type.Array(
  Type.Object(
    {
      signer: Signer,
      alg: Type.Union([Type.Literal('ed25519'), Type.Literal('ml-dsa-65')]),
      signature: Type.String({ maxLength: 4_412, description: 'base64url without padding' }),
    },
    strict,
  ),
  { maxItems: policyLimits.signaturesMax },
);

/** What `ron policy sign` writes; a file with it is the body of `POST /policy/activate` as it stands. */
const signedFields = {
  document: Type.Record(Type.String(), Type.Unknown(), { description: 'docs/specs/policy.md' }),
  signatures: Signatures,
};

const ActiveFields = {
  policy: PolicyId,
  version: Count,
  expires_at: TimeMs,
  activated_at: TimeMs,
};

const Activated = Type.Object(
  {
    policy: PolicyId,
    version: Count,
    activated_at: TimeMs,
    previous: Type.Optional(PolicyId),
    break_change: Type.Boolean(),
    reason: Type.Optional(Reason),
    signers: Type.Array(Signer, { description: 'whose signatures counted' }),
  },
  strict,
);

const ProposalFields = {
  policy: PolicyId,
  version: Count,
  threshold: Count,
  signers: Type.Array(Signer, { description: 'whose signatures count so far' }),
  proposed_at: TimeMs,
  expires_at: TimeMs,
};

/** `activated` is there when these signatures were enough: then the policy is in force. */
const ProposalState = Type.Object({ ...ProposalFields, activated: Type.Optional(Activated) }, strict);

const Method = Type.Union([
  Type.Literal('read'),
  Type.Literal('write'),
  Type.Literal('delete'),
  Type.Literal('list'),
  Type.Literal('admin'),
]);

const mayRead = [{ method: 'read', resource: 'admin/policy' }] as const;
const mayAdmin = [{ method: 'admin', resource: 'admin/policy' }] as const;
const kept = ['policy', 'version', 'signers'] as const;

/**
 * Refusals name their cause in `details.reason`: malformed, unsigned, under_signed, older, fork, expired, not_yet,
 * widens, no_root, too_many. `malformed` is `bad_request`, the next two are `forbidden`, `too_many` is
 * `quota_exhausted`, the others are `conflict`.
 */
export const policyContract = defineContract({
  name: 'policy',
  app: 0x0403,
  operations: {
    hash: {
      summary: 'Which policy is in force; without a policy, only version 0',
      input: Type.Object({}, strict),
      output: Type.Object(
        {
          policy: Type.Optional(PolicyId),
          version: Count,
          expires_at: Type.Optional(TimeMs),
          expired: Type.Optional(Type.Boolean({ description: 'past its date; its limits and rules stay in force' })),
        },
        strict,
      ),
      errors: [],
      scopes: [],
      shedAs: 'read',
      http: [{ method: 'GET', path: '/policy/hash', reply: 'json' }],
    },
    current: {
      summary: 'The whole signed document in force',
      input: Type.Object({}, strict),
      output: Type.Object({ ...ActiveFields, signed: Type.Object(signedFields, strict) }, strict),
      errors: ['not_found'],
      scopes: mayRead,
      http: [{ method: 'GET', path: '/policy/current', reply: 'json' }],
    },
    history: {
      summary: 'The policies that were in force, newest first',
      input: Type.Object({}, strict),
      output: Type.Object(
        {
          policies: Type.Array(
            Type.Object(
              {
                policy: PolicyId,
                version: Count,
                activated_at: TimeMs,
                previous: Type.Optional(PolicyId),
                reason: Type.Optional(Reason),
              },
              strict,
            ),
            { maxItems: policyLimits.historyMax },
          ),
        },
        strict,
      ),
      errors: [],
      scopes: mayRead,
      http: [{ method: 'GET', path: '/policy/history', reply: 'json' }],
    },
    activate: {
      summary: 'Put a document into force that has enough signatures of the signers in force',
      input: Type.Object(signedFields, strict),
      output: Activated,
      errors: ['conflict', 'insufficient_storage'],
      scopes: mayAdmin,
      mutation: true,
      audit: { level: 'privileged', input: ['document'], output: [...kept, 'reason'] },
      http: [{ method: 'POST', path: '/policy/activate', json: true, reply: 'json' }],
    },
    propose: {
      summary: 'Leave a document on the node until enough signers have signed it; kept for 7 days',
      input: Type.Object(signedFields, strict),
      output: ProposalState,
      errors: ['conflict', 'insufficient_storage'],
      scopes: mayAdmin,
      mutation: true,
      audit: { level: 'privileged', input: ['document'], output: [...kept, 'activated'] },
      http: [{ method: 'POST', path: '/policy/proposals', json: true, reply: 'json' }],
    },
    approve: {
      summary: 'Add signatures to a proposal; it comes into force with the last one needed',
      input: Type.Object({ policy: PolicyId, signatures: Signatures }, strict),
      output: ProposalState,
      errors: ['not_found', 'conflict', 'insufficient_storage'],
      scopes: mayAdmin,
      mutation: true,
      audit: { level: 'privileged', input: ['policy'], output: [...kept, 'activated'] },
      http: [{ method: 'POST', path: '/policy/proposals/:policy', json: true, reply: 'json' }],
    },
    proposals: {
      summary: 'Documents that wait for signatures',
      input: Type.Object({}, strict),
      output: Type.Object(
        { proposals: Type.Array(Type.Object(ProposalFields, strict), { maxItems: policyLimits.proposalsMax }) },
        strict,
      ),
      errors: [],
      scopes: mayRead,
      http: [{ method: 'GET', path: '/policy/proposals', reply: 'json' }],
    },
    proposal: {
      summary: 'A document that waits for signatures, as it was proposed and signed so far',
      input: Type.Object({ policy: PolicyId }, strict),
      output: Type.Object({ ...ProposalFields, signed: Type.Object(signedFields, strict) }, strict),
      errors: ['not_found'],
      scopes: mayRead,
      http: [{ method: 'GET', path: '/policy/proposals/:policy', reply: 'json' }],
    },
    explain: {
      summary: 'What the policy in force says of a request, and which rules say it',
      input: Type.Object(
        {
          subject: Type.String({ maxLength: 256 }),
          tenant: Type.Optional(Type.String({ maxLength: 64 })),
          capability_id: Type.Optional(Type.String({ maxLength: 256 })),
          method: Method,
          resource: Type.String({ minLength: 1, maxLength: 1_664 }),
          op: Type.Optional(Type.String({ maxLength: 128, description: '`gateway.set_name`' })),
        },
        strict,
      ),
      output: Type.Object(
        {
          decision: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
          policy: Type.Optional(PolicyId),
          rules: Type.Array(
            Type.Object(
              {
                rule: Type.String({ description: 'its @id annotation, or `policy<n>` by its place in the document' }),
                effect: Type.Union([Type.Literal('permit'), Type.Literal('forbid')]),
                error: Type.Optional(Type.Boolean({ description: 'it could not be evaluated, which denies' })),
              },
              strict,
            ),
            { maxItems: 64, description: 'the rules that decided' },
          ),
          note: Type.String(),
        },
        strict,
      ),
      errors: [],
      scopes: mayRead,
      http: [{ method: 'POST', path: '/policy/explain', json: true, reply: 'json' }],
    },
  },
});
