import { canonicalJson, type JsonValue } from '@ron/naming';

/** Ed25519 (RFC 8032) and ML-DSA-65 (FIPS 204). */
export type SignatureAlgorithm = 'ed25519' | 'ml-dsa-65';

/** One signature over `documentBytes`. */
export interface SignerSignature {
  /** The signer's name in the list that is in force: 1–128 of `[A-Za-z0-9._:@/#-]`. */
  readonly signer: string;
  readonly alg: SignatureAlgorithm;
  /** base64url without padding. */
  readonly signature: string;
}

/** A document together with who vouches for it. The document says what it is in a member `type`. */
export interface SignedDocument<D> {
  readonly document: D;
  readonly signatures: readonly SignerSignature[];
}

const encoder = new TextEncoder();

/**
 * What is signed: a line that names the purpose, then the canonical JSON (RFC 8785) of the document. The line keeps a
 * signature from meaning anything for another kind of document.
 */
export function documentBytes(document: { readonly type: string }): Uint8Array {
  return encoder.encode(`ron-signed/1 ${document.type}\n${canonical(document)}`);
}

/** `b3:<hex>` of the canonical JSON alone: equal documents have one id, whoever signed them. */
export function documentId(document: { readonly type: string }, blake3: (bytes: Uint8Array) => string): string {
  return blake3(encoder.encode(canonical(document)));
}

/** Whatever is not plain JSON data is refused (`bad_request`) when it is written. */
export function canonical(value: unknown): string {
  return canonicalJson(value as JsonValue);
}
