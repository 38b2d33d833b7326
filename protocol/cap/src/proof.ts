import { addressFromHash } from '@ron/naming';
import { decodeBase64Url, encodeBase64Url } from './base64url.ts';
import { proofNonceBytes, proofRequestMax } from './limits.ts';
import { refuse } from './refuse.ts';
import { spellingOf } from './scheme.ts';

/** A proof of possession taken apart: docs/specs/cap.md, "Proof". Nothing in it is checked but its spelling. */
export interface Proof {
  /** When it was made, milliseconds since the Unix epoch, by the holder's clock. */
  readonly tMs: number;
  /** 16 bytes as base64url: never used twice with one key. */
  readonly nonce: string;
  readonly signature: Uint8Array;
}

const spelling = /^v1\.(0|[1-9][0-9]{0,15})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{86})$/;
/** Printable, so that a line feed cannot shift the lines of the message. */
const requestSpelling = /^[^\p{Cc}]+$/u;
const encoder = new TextEncoder();

/** Undefined for everything but the one spelling of a proof. */
export function parseProof(text: string): Proof | undefined {
  const [, time, nonce, signature] = spelling.exec(text) ?? [];
  if (time === undefined || nonce === undefined || signature === undefined) return undefined;
  const tMs = Number(time);
  const signatureBytes = decodeBase64Url(signature);
  if (!Number.isSafeInteger(tMs) || decodeBase64Url(nonce) === undefined || signatureBytes === undefined) {
    return undefined;
  }
  return { tMs, nonce, signature: signatureBytes };
}

/**
 * What the holder's key signs. `request` is `GET /path?query` over HTTP, as sent, and `<app>/<op>` over OAP;
 * `tokenHash` is BLAKE3-256 of the capability's binary form. Undefined for a request of more than 16,384 characters
 * or with control characters.
 */
export function proofMessage(
  request: string,
  proof: Pick<Proof, 'tMs' | 'nonce'>,
  tokenHash: Uint8Array,
): Uint8Array | undefined {
  if (request.length > proofRequestMax || !requestSpelling.test(request)) return undefined;
  return encoder.encode(`ron-proof/1\n${request}\n${proof.tMs}\n${proof.nonce}\n${addressFromHash(tokenHash)}`);
}

export interface ProofRequest {
  /** The capability that the proof goes with, in any spelling. */
  readonly token: string | Uint8Array;
  readonly request: string;
  /** By the holder's clock, milliseconds since the Unix epoch. */
  readonly nowMs: number;
  /** 16 fresh random bytes. */
  readonly nonce: Uint8Array;
  /** Ed25519 over the bytes themselves, with the key that the capability is bound to. */
  readonly sign: (message: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /** BLAKE3-256. */
  readonly blake3: (bytes: Uint8Array) => Uint8Array;
}

/** The text for one request. Refuses (`bad_request`, `cap.proof`) a request or a nonce that no verifier would accept. */
export async function createProof({ token, request, nowMs, nonce, sign, blake3 }: ProofRequest): Promise<string> {
  if (nonce.byteLength !== proofNonceBytes) refuse('cap.proof', `a nonce has ${proofNonceBytes} bytes`);
  const nonceText = encodeBase64Url(nonce);
  const message = proofMessage(request, { tMs: nowMs, nonce: nonceText }, blake3(spellingOf(token).bytes));
  if (message === undefined) return refuse('cap.proof', 'a request is at most 16,384 printable characters');
  return `v1.${nowMs}.${nonceText}.${encodeBase64Url(await sign(message))}`;
}
