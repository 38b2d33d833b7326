import { RonError } from '@ron/proto/errors';
import { encodeBase64, parseBase64 } from './base64.ts';
import { isKeyName, type VerifierKey } from './verifier-key.ts';

/** Ed25519 of RFC 8032: 32-byte key, 64-byte signature. Given by whoever has it: WebCrypto, OpenSSL. */
export type Ed25519Verify = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean | Promise<boolean>;

/** Characters of a note: room for 16 signatures of the largest type. */
export const noteCharactersMax = 131_072;
export const noteSignaturesMax = 16;

export interface NoteSignature {
  readonly name: string;
  /** The key's id, 32 bits. */
  readonly keyId: number;
  readonly signature: Uint8Array;
}

/** c2sp.org/signed-note. */
export interface Note {
  /** With its final newline; this is what is signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export function encodeNote({ text, signatures }: Note): string {
  return `${text}\n${signatures.map(encodeSignatureLine).join('')}`;
}

export function encodeSignatureLine({ name, keyId, signature }: NoteSignature): string {
  const bytes = new Uint8Array(4 + signature.byteLength);
  new DataView(bytes.buffer).setUint32(0, keyId);
  bytes.set(signature, 4);
  return `— ${name} ${encodeBase64(bytes)}\n`;
}

/** Refuses (`bad_request`) what is not a note with 1 to 16 signatures. Says nothing about who signed: see `verifyNote`. */
export function parseNote(note: string): Note {
  if (note.length > noteCharactersMax) return refuse('a note has at most 128 Ki characters');
  if (!note.isWellFormed() || hasControl(note)) return refuse('a note is UTF-8 without control characters');
  const end = note.lastIndexOf('\n\n');
  if (end < 0) return refuse('a note has a blank line before its signatures');
  return { text: note.slice(0, end + 1), signatures: parseSignatureLines(note.slice(end + 2)) };
}

/** 1 to 16 lines, each with its newline. Refuses (`bad_request`) anything else. */
export function parseSignatureLines(text: string): readonly NoteSignature[] {
  const lines = text.split('\n');
  if (lines.pop() !== '') return refuse('a signature line ends with a newline');
  if (lines.length < 1 || lines.length > noteSignaturesMax) {
    return refuse(`a note has 1 to ${noteSignaturesMax} signatures`);
  }
  return lines.map((line) => {
    const [dash, name, base64, ...rest] = line.split(' ');
    const bytes = base64 === undefined ? undefined : parseBase64(base64);
    if (dash !== '—' || name === undefined || !isKeyName(name) || rest.length > 0) {
      return refuse('a signature line is “— name base64”');
    }
    if (bytes === undefined || bytes.byteLength < 5) return refuse('a signature is base64 of a key id and more');
    return { name, keyId: new DataView(bytes.buffer).getUint32(0), signature: bytes.slice(4) };
  });
}

/**
 * The keys of `keys` that signed the note's text, each once. Signatures of other keys are passed over. Refuses (`bad_request`)
 * a note that one of them signed wrongly, or that none of them signed.
 */
export async function verifyNote(
  note: Note,
  keys: readonly VerifierKey[],
  verify: Ed25519Verify,
): Promise<readonly VerifierKey[]> {
  const message = new TextEncoder().encode(note.text);
  const signers: VerifierKey[] = [];
  for (const { name, keyId, signature } of note.signatures) {
    const key = keys.find((each) => each.type === 'ed25519' && each.name === name && each.id === keyId);
    if (key === undefined) continue;
    if (signature.byteLength !== 64 || !(await verify(key.publicKey, message, signature))) {
      return refuse('a known key’s signature is wrong');
    }
    if (!signers.includes(key)) signers.push(key);
  }
  return signers.length > 0 ? signers : refuse('no known key signed the note');
}

function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 && code !== 0x0a) return true;
  }
  return false;
}

function refuse(message: string): never {
  throw new RonError('bad_request', message);
}
