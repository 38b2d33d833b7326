import type { Ed25519Verify, NoteSignature } from './note.ts';
import type { VerifierKey } from './verifier-key.ts';

/** 8 bytes of POSIX time, then Ed25519 (c2sp.org/tlog-cosignature). */
const cosignatureBytes = 8 + 64;

/** What a witness signs: that it saw this checkpoint's tree grow from those it saw before, at that time. */
export function cosignedMessage(checkpointText: string, atSeconds: number): Uint8Array {
  return new TextEncoder().encode(`cosignature/v1\ntime ${atSeconds}\n${checkpointText}`);
}

/** The signature of a note from `signature` over `cosignedMessage`. */
export function createCosignature(key: VerifierKey, atSeconds: number, signature: Uint8Array): NoteSignature {
  if (!Number.isSafeInteger(atSeconds) || atSeconds < 0) throw new RangeError('a time in whole seconds');
  const bytes = new Uint8Array(cosignatureBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(atSeconds));
  bytes.set(signature, 8);
  return { name: key.name, keyId: key.id, signature: bytes };
}

export interface Cosignature {
  readonly witness: VerifierKey;
  readonly atSeconds: number;
}

/** Undefined unless it is this witness's right cosignature of that checkpoint text. */
export async function verifyCosignature(
  checkpointText: string,
  { name, keyId, signature }: NoteSignature,
  witness: VerifierKey,
  verify: Ed25519Verify,
): Promise<Cosignature | undefined> {
  if (witness.type !== 'cosignature' || witness.name !== name || witness.id !== keyId) return undefined;
  if (signature.byteLength !== cosignatureBytes) return undefined;
  const time = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0);
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const atSeconds = Number(time);
  const message = cosignedMessage(checkpointText, atSeconds);
  return (await verify(witness.publicKey, message, signature.slice(8))) ? { witness, atSeconds } : undefined;
}
