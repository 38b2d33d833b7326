import { routeClasses } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import {
  type BodyLimits,
  bodyFields,
  documentLimits,
  type MailboxQuota,
  mailboxFields,
  type PolicyDocument,
  type PolicyQuotas,
  type PolicySigner,
  policyType,
  type RateQuota,
  rateFields,
} from './document.ts';
import { join, present, Reader } from './reader.ts';

const limit = documentLimits;
const topFields = [
  'type',
  'version',
  'previous',
  'issued_at',
  'expires_at',
  'break_change',
  'reason',
  'signers',
  'threshold',
  'public_prefixes',
  'regions',
  'body_limits',
  'quotas',
  'rules',
] as const;

const signerName = /^[A-Za-z0-9._:@/#-]{1,128}$/;
const regionName = /^[a-z0-9][a-z0-9-]{0,62}$/;
const tenantId = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const prefixText = new RegExp(`^[no]/.{0,${limit.prefixMax - 2}}$`, 'su');
const ed25519Key = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
/** 1,952 bytes; only the last character has bits to spare. */
const mlDsaKey = /^[A-Za-z0-9_-]{2602}[AEIMQUYcgkosw048]$/;

/**
 * The document, or `bad_request` with every problem in `details.problems`, each with its path and the nearest known
 * name. The Cedar rules are checked by `parseRules`.
 */
export function parsePolicy(value: unknown): PolicyDocument {
  const { document, problems } = readPolicy(value);
  if (document !== undefined) return document;
  throw new RonError('bad_request', `the policy has ${problems.length} problem(s): ${problems[0]}`, {
    details: { reason: 'malformed', problems },
  });
}

export function readPolicy(value: unknown): {
  readonly document: PolicyDocument | undefined;
  readonly problems: readonly string[];
} {
  const reader = new Reader();
  const document = new DocumentReader(reader).read(value);
  return { document: reader.problems.length === 0 ? document : undefined, problems: reader.problems };
}

/** Only called on what a reader found no problem with does `read` answer a whole document. */
class DocumentReader {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  read(value: unknown): PolicyDocument | undefined {
    const r = this.#reader;
    const fields = r.object(value, 'policy', topFields);
    if (fields === undefined) return undefined;
    const optional = <T>(name: string, read: (value: unknown, path: string) => T | undefined): T | undefined =>
      fields[name] === undefined ? undefined : read(fields[name], name);
    if (fields['type'] !== policyType) r.refuse('type', `must be "${policyType}"`);
    const document = present<PolicyDocument>({
      type: policyType,
      version: r.integer(fields['version'], 'version', 1),
      previous: optional('previous', (text, path) => r.text(text, path, /^b3:[0-9a-f]{64}$/, 'the id of a policy')),
      issued_at: optional('issued_at', (time, path) => r.integer(time, path, 0)),
      expires_at: r.integer(fields['expires_at'], 'expires_at', 1),
      break_change: optional('break_change', (flag, path) => r.boolean(flag, path)),
      reason: optional('reason', (text, path) =>
        r.text(text, path, /^.{1,512}$/su, `1 to ${limit.reasonMax} characters`),
      ),
      signers: this.#signers(fields['signers']),
      threshold: r.integer(fields['threshold'], 'threshold', 1, limit.signersMax),
      public_prefixes: optional('public_prefixes', (list, path) =>
        r.list(list, path, limit.publicPrefixesMax, (item, at) =>
          r.text(item, at, prefixText, `"n/…" or "o/…" of at most ${limit.prefixMax} characters`),
        ),
      ),
      regions: optional('regions', (list, path) =>
        r.list(list, path, limit.regionsMax, (item, at) => r.text(item, at, regionName, 'a region such as "eu-west"')),
      ),
      body_limits: optional('body_limits', (table, path) => this.#bodyLimits(table, path)),
      quotas: optional('quotas', (table, path) => this.#quotas(table, path)),
      rules: optional('rules', (text, path) => this.#rules(text, path)),
    });
    if (r.problems.length === 0) this.#wholeness(document);
    return document;
  }

  #wholeness({ signers, threshold, break_change, reason, issued_at, expires_at }: PolicyDocument): void {
    const r = this.#reader;
    if (threshold > signers.length) r.refuse('threshold', 'is above the number of signers');
    if (break_change === true && reason === undefined) r.refuse('reason', 'a breaking change says why');
    if (issued_at !== undefined && issued_at >= expires_at) r.refuse('expires_at', 'is not after issued_at');
  }

  #signers(value: unknown): PolicySigner[] | undefined {
    const r = this.#reader;
    const signers = r.list(value, 'signers', limit.signersMax, (item, path) => {
      const fields = r.object(item, path, ['name', 'ed25519', 'ml_dsa_65']);
      if (fields === undefined) return undefined;
      const second = fields['ml_dsa_65'];
      return present<PolicySigner>({
        name: r.text(fields['name'], join(path, 'name'), signerName, '1 to 128 of A–Z a–z 0–9 . _ : @ / # -'),
        ed25519: r.text(fields['ed25519'], join(path, 'ed25519'), ed25519Key, '32 bytes as base64url'),
        ml_dsa_65:
          second === undefined
            ? undefined
            : r.text(second, join(path, 'ml_dsa_65'), mlDsaKey, '1,952 bytes as base64url'),
      });
    });
    if (signers?.length === 0) r.refuse('signers', 'names at least one signer');
    r.distinct(signers?.map(({ name }) => name) ?? [], 'signers', 'name');
    r.distinct(signers?.map(({ ed25519 }) => ed25519) ?? [], 'signers', 'key');
    r.distinct(signers?.flatMap(({ ml_dsa_65 }) => ml_dsa_65 ?? []) ?? [], 'signers', 'key');
    return signers;
  }

  #bodyLimits(value: unknown, path: string): BodyLimits {
    return this.#numbers(value, path, bodyFields, []);
  }

  #quotas(value: unknown, path: string): PolicyQuotas {
    const r = this.#reader;
    const general = this.#numbers(value, path, rateFields, ['mailbox', 'tenants', 'classes']);
    const { mailbox, tenants, classes } = (value ?? {}) as Record<string, unknown>;
    const own = tenants === undefined ? undefined : r.object(tenants, join(path, 'tenants'));
    const entries = Object.entries(own ?? {});
    if (entries.length > limit.tenantsMax) {
      r.refuse(join(path, 'tenants'), `names at most ${limit.tenantsMax} tenants`);
      return general;
    }
    return present<PolicyQuotas>({
      ...general,
      mailbox:
        mailbox === undefined
          ? undefined
          : this.#numbers<MailboxQuota>(mailbox, join(path, 'mailbox'), mailboxFields, []),
      classes: classes === undefined ? undefined : this.#classes(classes, join(path, 'classes')),
      tenants:
        own === undefined
          ? undefined
          : Object.fromEntries(
              entries.map(([tenant, quota]) => {
                const at = join(path, `tenants.${tenant.slice(0, 64)}`);
                if (!tenantId.test(tenant)) r.refuse(at, 'is no tenant id');
                return [tenant, this.#numbers<RateQuota>(quota, at, rateFields, [])];
              }),
            ),
    });
  }

  #classes(value: unknown, path: string): PolicyQuotas['classes'] {
    const fields = this.#reader.object(value, path, routeClasses) ?? {};
    const named = routeClasses.filter((name) => fields[name] !== undefined);
    return Object.fromEntries(
      named.map((name) => [name, this.#numbers<RateQuota>(fields[name], join(path, name), rateFields, [])]),
    );
  }

  /** Integers from 1, except the two rates a second. */
  #numbers<T extends object>(value: unknown, path: string, names: readonly string[], others: readonly string[]): T {
    const r = this.#reader;
    const fields = r.object(value, path, [...names, ...others]) ?? {};
    const read = (name: string) => {
      const at = join(path, name);
      if (name === 'requests_per_second') return r.rate(fields[name], at, limit.requestRateMin);
      if (name === 'bytes_per_second') return r.rate(fields[name], at, limit.byteRateMin);
      return r.integer(fields[name], at, name === 'control_bytes_max' ? limit.controlBytesMin : 1);
    };
    const found = names.filter((name) => fields[name] !== undefined);
    return Object.fromEntries(found.map((name) => [name, read(name)])) as T;
  }

  #rules(value: unknown, path: string): string | undefined {
    const r = this.#reader;
    if (typeof value !== 'string' || !value.isWellFormed()) return r.refuse(path, 'must be Cedar text');
    const bytes = new TextEncoder().encode(value).byteLength;
    return bytes <= limit.rulesBytesMax ? value : r.refuse(path, `has at most ${limit.rulesBytesMax} bytes`);
  }
}
