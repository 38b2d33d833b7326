import { documentBytes, type SignatureAlgorithm, type SignedDocument, type SignerSignature } from './document.ts';

/** Somebody whose signature counts. With both keys, both must sign: a forger has to break both algorithms. */
export interface Signer {
  readonly name: string;
  /** Raw public keys, base64url without padding: 32 bytes and 1,952 bytes. */
  readonly keys: { readonly ed25519: string; readonly 'ml-dsa-65'?: string };
}

/** M of N: `signers` are the N, `threshold` is M ≥ 1. */
export interface ThresholdRule {
  readonly signers: readonly Signer[];
  readonly threshold: number;
}

/** Checks one signature with the platform's own implementation; false, never an exception, for what is malformed. */
export type VerifySignature = (
  alg: SignatureAlgorithm,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean;

type Signed = SignedDocument<{ readonly type: string }>;

/**
 * The names of the signers whose signatures hold, each once. A signer with two keys counts when both hold, and a key
 * that stands under two names counts once. Signatures of strangers and wrong ones count for nothing and spoil
 * nothing. The rule is met when there are `threshold` names.
 */
export function checkThreshold(
  signed: Signed,
  rule: ThresholdRule,
  verify: VerifySignature,
): { readonly met: boolean; readonly valid: readonly string[] } {
  const holding = new Set(holdingSignatures(signed, rule, verify).map(({ signer, alg }) => `${alg} ${signer}`));
  const signers = byName(rule).filter(
    ({ name, keys }) =>
      holding.has(`ed25519 ${name}`) && (keys['ml-dsa-65'] === undefined || holding.has(`ml-dsa-65 ${name}`)),
  );
  const valid = oncePerKey(signers).map(({ name }) => name);
  return { met: Number.isSafeInteger(rule.threshold) && rule.threshold >= 1 && valid.length >= rule.threshold, valid };
}

/** The signatures that hold, each by a key of the rule; a signer with two keys may have given one of them so far. */
export function holdingSignatures(
  signed: Signed,
  rule: ThresholdRule,
  verify: VerifySignature,
): readonly SignerSignature[] {
  const message = documentBytes(signed.document);
  const signers = new Map(byName(rule).map((signer) => [signer.name, signer]));
  return signed.signatures.filter(({ signer, alg, signature }) => {
    const key = bytesOf(signers.get(signer)?.keys[alg] ?? '');
    const given = bytesOf(signature);
    return key !== undefined && given !== undefined && verify(alg, key, message, given);
  });
}

/** Of one name that stands twice in a list, only the first entry is somebody. */
function byName({ signers }: ThresholdRule): readonly Signer[] {
  return signers.filter(({ name }, place) => signers.findIndex((other) => other.name === name) === place);
}

/** Who shares a key with somebody before is the same signer again. */
function oncePerKey(signers: readonly Signer[]): readonly Signer[] {
  const seen = new Set<string>();
  return signers.filter(({ keys }) => {
    const own = [keys.ed25519, keys['ml-dsa-65']].filter((key) => key !== undefined);
    const known = own.some((key) => seen.has(key));
    for (const key of own) seen.add(key);
    return !known;
  });
}

/** Undefined for what is not base64url in its one spelling: otherwise one key could stand in a list as two texts. */
function bytesOf(text: string): Uint8Array | undefined {
  if (text === '' || !/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1) return undefined;
  const plain = text.replace(/-/g, '+').replace(/_/g, '/');
  const binary = atob(plain);
  if (btoa(binary).replace(/=+$/, '') !== plain) return undefined;
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
