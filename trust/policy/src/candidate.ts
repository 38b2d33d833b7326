import type { RonError } from '@ron/proto/errors';
import {
  checkThreshold,
  holdingSignatures,
  parseSigned,
  type SignerSignature,
  type ThresholdRule,
  type VerifySignature,
} from '@ron/signed';
import { parsePolicy } from './check.ts';
import type { PolicyDocument } from './document.ts';
import { refusal } from './refusal.ts';
import { RuleSet } from './rule-set.ts';
import { policyId, type SignedPolicy } from './signing.ts';
import { type Widening, wideningsMax, wideningsOf } from './widening.ts';

/** Milliseconds by which the clocks of signers and node may differ. */
export const clockSkewMsMax = 60_000;

/** What a document is measured against. */
export interface Basis {
  readonly current: { readonly id: string; readonly document: PolicyDocument; readonly rules: RuleSet } | undefined;
  /** The signers in force; undefined when nobody has named the first ones. */
  readonly signers: ThresholdRule | undefined;
  readonly highest: number;
  readonly nowMs: number;
}

/** A signed document that was read, and whose every field is what it should be. */
export interface Candidate {
  readonly id: string;
  readonly signed: SignedPolicy;
  readonly document: PolicyDocument;
}

export interface Signatures {
  readonly met: boolean;
  /** Names of signers whose signatures count. */
  readonly valid: readonly string[];
  readonly holding: readonly SignerSignature[];
}

/** `bad_request` for what is not a signed policy. */
export function readCandidate(text: string, blake3: (bytes: Uint8Array) => Uint8Array): Candidate {
  const { document: fields, signatures } = parseSigned(text);
  const document = parsePolicy(fields);
  return { id: policyId(document, blake3), document, signed: { document, signatures } };
}

/** Throws `no_root`, `unsigned`, or `under_signed` when not one signature holds. */
export function checkSignatures({ signed, id }: Candidate, { signers }: Basis, verify: VerifySignature): Signatures {
  if (signers === undefined) {
    throw refusal(
      'no_root',
      'nobody may sign the first policy: name root_signers under [policy] in the configuration, and start the node again',
    );
  }
  if (signed.signatures.length === 0) throw refusal('unsigned', 'the policy is not signed', { policy: id });
  const holding = holdingSignatures(signed, signers, verify);
  const result = { ...checkThreshold(signed, signers, verify), holding };
  if (holding.length === 0) throw underSigned(id, result, signers);
  return result;
}

export function underSigned(policy: string, { valid }: Signatures, { threshold }: ThresholdRule): RonError {
  return refusal('under_signed', `${valid.length} of ${threshold} signatures of the signers in force hold`, {
    policy,
    valid,
    threshold,
  });
}

/** Throws `expired`, `not_yet`, `older`, `fork`: no document that fits in time and place. */
export function checkPlace({ id, document }: Candidate, { current, highest, nowMs }: Basis): void {
  const { version, previous, issued_at = 0, expires_at } = document;
  if (expires_at <= nowMs) throw refusal('expired', 'the policy has expired', { policy: id, expires_at });
  if (issued_at > nowMs + clockSkewMsMax) {
    throw refusal('not_yet', 'the policy is dated in the future', { policy: id, issued_at });
  }
  if (version <= highest) {
    throw refusal('older', `versions up to ${highest} were in force already`, { policy: id, version, highest });
  }
  if (previous !== current?.id) {
    const expected = current === undefined ? 'is the first: leave out "previous"' : `has to follow ${current.id}`;
    throw refusal('fork', `the policy does not follow the one in force: it ${expected}`, { policy: id });
  }
}

/** The rules of a document that allows no more than it may. Throws `widens` with every way in which it does. */
export async function checkWidening(
  { id, document }: Candidate,
  { current }: Basis,
  pause: () => Promise<void>,
): Promise<{ readonly rules: RuleSet; readonly widenings: readonly Widening[] }> {
  const rules = await RuleSet.create(document.rules ?? '', pause);
  const widenings = wideningsOf(current?.document, document, current?.rules.rules ?? [], rules.rules);
  if (widenings.length === 0 || document.break_change === true) return { rules, widenings };
  rules.dispose();
  throw refusal('widens', 'the policy allows more than the one in force: it needs break_change and a reason', {
    policy: id,
    widenings: widenings.slice(0, wideningsMax),
  });
}
