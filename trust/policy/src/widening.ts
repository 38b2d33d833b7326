import { routeClasses } from '@ron/proto/contract';
import type { ParsedRule } from './cedar.ts';
import { parseRules } from './cedar.ts';
import { wideningRules } from './containment.ts';
import { bodyFields, mailboxFields, type PolicyDocument, type PolicySigner, rateFields } from './document.ts';
import { classLimitOf, isUnder, limitOf } from './limits.ts';

/** One way in which a document may allow more than another. */
export interface Widening {
  /** The path of the field, or `rules.<name>`. */
  readonly what: string;
  readonly from: string;
  readonly to: string;
}

/** Ways that a refusal lists; one is enough to refuse. */
export const wideningsMax = 64;

/**
 * How `next` may allow more than `old`; empty means that it cannot. Without `old`: more than a node without a policy,
 * whose limits are its configuration's and where nothing is public. The dates never widen: an expired policy's limits
 * and rules stay in force.
 */
export async function widens(old: PolicyDocument | undefined, next: PolicyDocument): Promise<readonly Widening[]> {
  return wideningsOf(old, next, await parseRules(old?.rules ?? ''), await parseRules(next.rules ?? ''));
}

/** `widens` for rules that are parsed already. */
export function wideningsOf(
  old: PolicyDocument | undefined,
  next: PolicyDocument,
  oldRules: readonly ParsedRule[],
  nextRules: readonly ParsedRule[],
): readonly Widening[] {
  return [
    ...limitWidenings(old, next),
    ...prefixWidenings(old, next),
    ...regionWidenings(old, next),
    ...(old === undefined ? [] : signerWidenings(old, next)),
    ...ruleWidenings(oldRules, nextRules),
  ];
}

function limitWidenings(old: PolicyDocument | undefined, next: PolicyDocument): Widening[] {
  const found: Widening[] = [];
  const compare = (what: string, from: number, to: number) => {
    if (to > from) found.push({ what, from: shown(from), to: shown(to) });
  };
  for (const field of bodyFields) compare(`body_limits.${field}`, limitOf(old, field), limitOf(next, field));
  for (const field of mailboxFields) compare(`quotas.mailbox.${field}`, limitOf(old, field), limitOf(next, field));
  const tenants = [old, next].flatMap((each) => Object.keys(each?.quotas?.tenants ?? {}));
  for (const field of rateFields) {
    compare(`quotas.${field}`, limitOf(old, field), limitOf(next, field));
    for (const name of routeClasses) {
      compare(`quotas.classes.${name}.${field}`, classLimitOf(old, name, field), classLimitOf(next, name, field));
    }
    for (const tenant of new Set(tenants)) {
      compare(`quotas.tenants.${tenant}.${field}`, limitOf(old, field, tenant), limitOf(next, field, tenant));
    }
  }
  return found;
}

function shown(limit: number): string {
  return Number.isFinite(limit) ? String(limit) : 'not limited';
}

/** With a list, only it is public; without one, the configuration's list, which may be longer than any. */
function prefixWidenings(old: PolicyDocument | undefined, next: PolicyDocument): Widening[] {
  const before = old?.public_prefixes;
  const after = next.public_prefixes;
  const what = 'public_prefixes';
  if (after === undefined) return before === undefined ? [] : [{ what, from: before.join(' '), to: 'not limited' }];
  const added = after.filter((prefix) => !(before ?? []).some((known) => isUnder(prefix, known)));
  return added.map((prefix) => ({ what, from: 'not public', to: prefix }));
}

function regionWidenings(old: PolicyDocument | undefined, next: PolicyDocument): Widening[] {
  const before = old?.regions;
  if (before === undefined) return [];
  if (next.regions === undefined) return [{ what: 'regions', from: before.join(' '), to: 'not limited' }];
  const added = next.regions.filter((region) => !before.includes(region));
  return added.map((region) => ({ what: 'regions', from: 'not allowed', to: region }));
}

/**
 * Any group that could sign what follows `next` contains a group that could sign what follows `old`: the threshold
 * does not fall, not even when every signer who is new, or has lost a key, is one of the group.
 */
function signerWidenings(old: PolicyDocument, next: PolicyDocument): Widening[] {
  const fresh = next.signers.filter((signer) => !old.signers.some((known) => asStrong(signer, known)));
  if (next.threshold - fresh.length >= old.threshold) return [];
  const lowered = { what: 'threshold', from: String(old.threshold), to: String(next.threshold) };
  const added = fresh.map(({ name }) => ({ what: 'signers', from: 'no signer', to: name }));
  return next.threshold < old.threshold ? [lowered, ...added] : added;
}

function asStrong(signer: PolicySigner, known: PolicySigner): boolean {
  return signer.ed25519 === known.ed25519 && (known.ml_dsa_65 === undefined || signer.ml_dsa_65 === known.ml_dsa_65);
}

function ruleWidenings(old: readonly ParsedRule[], next: readonly ParsedRule[]): Widening[] {
  const { permits, forbids, lastPermit } = wideningRules(old, next);
  const all = { what: 'rules', from: 'something must permit', to: 'what is not forbidden is allowed' };
  return [
    ...(lastPermit ? [all] : []),
    ...permits.map(({ name, text }) => ({ what: `rules.${name}`, from: 'no such permit', to: text.slice(0, 200) })),
    ...forbids.map(({ name, text }) => ({ what: `rules.${name}`, from: text.slice(0, 200), to: 'no such forbid' })),
  ];
}
