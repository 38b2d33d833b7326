import type { RouteClass, ScopeMethod } from '@ron/proto/contract';

/** Limits of a policy document. The whole signed text has at most 1 MiB (`signedBytesMax` of @ron/signed). */
export const documentLimits = {
  signersMax: 16,
  publicPrefixesMax: 256,
  /** Characters of one public prefix. */
  prefixMax: 512,
  regionsMax: 64,
  /** Tenants with quotas of their own. */
  tenantsMax: 1_000,
  /** UTF-8 bytes of the Cedar text. */
  rulesBytesMax: 262_144,
  rulesMax: 10_000,
  /** Of these, rules that only Cedar evaluates: each question that is not remembered asks all of them, 2 µs each. */
  cedarRulesMax: 1_000,
  /** Brackets in brackets, and operators of one rule: see `isTooDeep`. */
  ruleNestingMax: 16,
  ruleOperatorsMax: 100,
  /** Characters of an `@id`: every refusal by the rule carries it. */
  ruleNameMax: 128,
  /** `control_bytes_max` at least: the next policy, with 16 signers and their signatures, has to come in. */
  controlBytesMin: 131_072,
  /** Requests and bytes a second at least: with less, the next policy would wait for longer than anybody does. */
  requestRateMin: 0.1,
  byteRateMin: 1_024,
  /** Characters of the reason of a breaking change. */
  reasonMax: 512,
} as const;

/** Why documents of another kind do not fit: the first line of what is signed names the type. */
export const policyType = 'ron-policy';

export interface PolicySigner {
  readonly name: string;
  /** Raw public keys, base64url without padding. With both, both must sign. */
  readonly ed25519: string;
  readonly ml_dsa_65?: string;
}

/** As in the gateway's table: requests and body bytes of one tenant. */
export interface RateQuota {
  readonly requests_per_second?: number;
  readonly burst?: number;
  readonly bytes_per_second?: number;
  readonly bytes_burst?: number;
}

/** As in the mailbox's table: what one tenant may keep. */
export interface MailboxQuota {
  readonly tenant_messages_max?: number;
  readonly tenant_bytes_max?: number;
  readonly tenant_boxes_max?: number;
}

export interface PolicyQuotas extends RateQuota {
  readonly mailbox?: MailboxQuota;
  /** Of the calls of one class, for each tenant beside its other limits. */
  readonly classes?: Readonly<Partial<Record<RouteClass, RateQuota>>>;
  /** A tenant's own numbers take the place of the general ones, field by field. */
  readonly tenants?: Readonly<Record<string, RateQuota>>;
}

export interface BodyLimits {
  readonly object_bytes_max?: number;
  readonly control_bytes_max?: number;
}

/**
 * A policy as it is signed: canonical JSON, times in milliseconds since the Unix epoch. What is absent is left to the
 * configuration; a limit can only lower what the configuration allows.
 */
export interface PolicyDocument {
  readonly type: typeof policyType;
  /** From 1; only grows. */
  readonly version: number;
  /** The id of the policy that this one follows; absent for the first. */
  readonly previous?: string;
  readonly issued_at?: number;
  readonly expires_at: number;
  /** This document may allow more than the one before; needs a reason. */
  readonly break_change?: boolean;
  readonly reason?: string;
  /** Who decides about the next policy, and how many of them it takes. */
  readonly signers: readonly PolicySigner[];
  readonly threshold: number;
  /** What everyone may read without a capability, in place of the configuration's list: `n/site`, `o/b3:…`. */
  readonly public_prefixes?: readonly string[];
  readonly regions?: readonly string[];
  readonly body_limits?: BodyLimits;
  readonly quotas?: PolicyQuotas;
  /** Cedar. */
  readonly rules?: string;
}

export const rateFields = ['requests_per_second', 'burst', 'bytes_per_second', 'bytes_burst'] as const;
export const mailboxFields = ['tenant_messages_max', 'tenant_bytes_max', 'tenant_boxes_max'] as const;
export const bodyFields = ['object_bytes_max', 'control_bytes_max'] as const;

export const methods: readonly ScopeMethod[] = ['read', 'write', 'delete', 'list', 'admin'];
