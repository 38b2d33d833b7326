import { type Static, Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Address, Count, strict, TimeMs } from './fields.ts';

/** Limits of one request to the trust plane. */
export const trustLimits = {
  /** Of an entry on its way to the log, which cuts texts to 512 characters and says so: one more is enough. */
  textMax: 1_024,
  resourcesMax: 32,
  fieldsMax: 64,
  /** Entries that one `offer` brings. */
  entriesMax: 64,
  /** Bytes that a name record's signature covers. */
  signedBytesMax: 16_384,
} as const;

const limit = trustLimits;
const Text = Type.String({ maxLength: limit.textMax });
const KeyId = Type.String({ minLength: 1, maxLength: 160 });
const Scheme = Type.Union([Type.Literal('hmac'), Type.Literal('ed25519')]);

/** As the audit stage of a pipeline hands it over. */
const Entry = Type.Object(
  {
    op: Text,
    outcome: Text,
    corr_id: Text,
    subject: Text,
    capability_id: Text,
    tenant: Text,
    resources: Type.Array(Text, { maxItems: limit.resourcesMax }),
    fields: Type.Record(Type.String(), Text, { maxProperties: limit.fieldsMax }),
    reason: Type.Optional(Text),
  },
  strict,
);
export type TrustEntry = Static<typeof Entry>;

/** What decides about requests at the moment. */
const TrustState = Type.Object(
  {
    keys: Type.Array(Type.Object({ scheme: Scheme, kid: KeyId }, strict), {
      description: 'root keys of capabilities that are still good',
    }),
    names_key: KeyId,
    policy: Type.Optional(
      Type.Object(
        { policy: Address, activated_at: TimeMs, signed: Type.String({ description: 'docs/specs/policy.md' }) },
        strict,
      ),
    ),
    audit_failure: Type.Optional(Text),
  },
  strict,
);
export type TrustState = Static<typeof TrustState>;

const read = [{ method: 'read', resource: 'admin/trust/state' }] as const;
const log = [{ method: 'write', resource: 'admin/trust/log' }] as const;

/** What processes of one node ask the one that holds its keys, policy and log. It is never served to clients. */
export const trustContract = defineContract({
  name: 'trust',
  app: 0x0405,
  operations: {
    examine: {
      summary: 'Whether a capability begins with a root key of this node; what it says is for the asker to judge',
      input: Type.Object({ token: Type.String({ minLength: 1, maxLength: 5_464, description: 'base64' }) }, strict),
      output: Type.Object(
        { fault: Type.Optional(Type.Union([Type.Literal('unknown_key'), Type.Literal('wrong_tag')])) },
        strict,
      ),
      errors: [],
      scopes: read,
    },
    state: {
      summary: 'What decides about requests; without `state` when it is what `known` named',
      input: Type.Object({ known: Type.Optional(Type.String({ maxLength: 2_048 })) }, strict),
      output: Type.Object({ revision: Type.String(), state: Type.Optional(TrustState) }, strict),
      errors: [],
      scopes: read,
    },
    record: {
      summary: 'Put one entry into the audit log; answered once it is on stable storage',
      input: Type.Object({ entry: Entry }, strict),
      output: Type.Object({ index: Count }, strict),
      errors: [],
      scopes: log,
      mutation: true,
    },
    prove: {
      summary: 'The proof that an entry is in the log: docs/specs/audit.md',
      input: Type.Object({ index: Count }, strict),
      output: Type.Object({ proof: Type.String() }, strict),
      errors: ['not_found', 'integrity'],
      scopes: log,
    },
    offer: {
      summary: 'Entries of the data plane, which the log may drop and count',
      input: Type.Object({ entries: Type.Array(Entry, { maxItems: limit.entriesMax }) }, strict),
      output: Type.Object({}, strict),
      errors: [],
      scopes: log,
      mutation: true,
    },
    sign_name: {
      summary: 'Sign a name record with the key that names are signed with; `conflict` for one that is not current',
      input: Type.Object(
        {
          kid: KeyId,
          bytes: Type.String({ maxLength: (limit.signedBytesMax / 3) * 4 + 4, description: 'base64' }),
        },
        strict,
      ),
      output: Type.Object({ signature: Type.String({ description: 'base64, 64 bytes of Ed25519' }) }, strict),
      errors: [],
      scopes: [{ method: 'write', resource: 'admin/trust/names' }],
    },
  },
});
