import { RonError } from '@ron/proto/errors';
import { canonical, type SignedDocument, type SignerSignature } from './document.ts';

/** Signatures on one document: 16 signers with two algorithms each, and as many again for a change of signers. */
export const signaturesMax = 64;

/** Bytes of an encoded signed document. */
export const signedBytesMax = 1024 * 1024;

const signerPattern = /^[A-Za-z0-9._:@/#-]{1,128}$/;
/** It stands in the first line of what is signed. */
const typePattern = /^[a-z][a-z0-9-]{0,63}$/;
/** 64 bytes of Ed25519 or 3,309 of ML-DSA-65, as base64url. */
const signatureLengths = { ed25519: 86, 'ml-dsa-65': 4_412 } as const;

/** One line of canonical JSON. */
export function encodeSigned<D extends { readonly type: string }>(signed: SignedDocument<D>): string {
  return `${canonical(signed)}\n`;
}

/**
 * Reads the envelope; the document itself is for its own parser. Refuses (`bad_request`) anything but exactly
 * `document` and `signatures`, malformed signatures, and one signer signing twice with one algorithm.
 */
export function parseSigned(
  text: string,
): SignedDocument<Readonly<Record<string, unknown>> & { readonly type: string }> {
  if (text.length > signedBytesMax || new TextEncoder().encode(text).byteLength > signedBytesMax) {
    refuse('a signed document has at most 1 MiB');
  }
  const value = parseJson(text);
  if (!isObject(value) || Object.keys(value).sort().join() !== 'document,signatures') {
    return refuse('a signed document has exactly "document" and "signatures"');
  }
  const { document, signatures } = value;
  const type = isObject(document) ? document['type'] : undefined;
  if (typeof type !== 'string' || !typePattern.test(type)) return refuse('the document has no type');
  if (!Array.isArray(signatures) || signatures.length > signaturesMax)
    return refuse(`0 to ${signaturesMax} signatures`);
  const parsed = signatures.map(parseSignature);
  if (new Set(parsed.map(({ signer, alg }) => `${signer} ${alg}`)).size !== parsed.length) {
    return refuse('a signer signs once with each algorithm');
  }
  return { document: document as Readonly<Record<string, unknown>> & { readonly type: string }, signatures: parsed };
}

function parseSignature(value: unknown): SignerSignature {
  if (!isObject(value) || Object.keys(value).sort().join() !== 'alg,signature,signer')
    return refuse('a malformed signature');
  const { signer, alg, signature } = value;
  if (typeof signer !== 'string' || !signerPattern.test(signer)) return refuse('a signature has no valid signer');
  if (alg !== 'ed25519' && alg !== 'ml-dsa-65') return refuse('a signature is ed25519 or ml-dsa-65');
  if (
    typeof signature !== 'string' ||
    signature.length !== signatureLengths[alg] ||
    !/^[A-Za-z0-9_-]+$/.test(signature)
  ) {
    return refuse('a signature has the wrong length or alphabet');
  }
  return { signer, alg, signature };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes what somebody sent by mistake: no log may have it.
    return refuse('a signed document is JSON');
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(message: string): never {
  throw new RonError('bad_request', message, { details: { reason: 'malformed' } });
}
