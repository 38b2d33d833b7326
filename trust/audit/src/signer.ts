import type { Kms } from '@ron/kms';
import { RonError } from '@ron/proto/errors';
import {
  type Checkpoint,
  cosignedMessage,
  createCosignature,
  createVerifierKey,
  encodeCheckpoint,
  encodeNote,
  encodeSignatureLine,
  isKeyName,
  type NoteSignature,
  type SignatureType,
  type VerifierKey,
} from '@ron/tlog';

const logFilter = { tenant: 'node', purpose: 'audit', alg: 'ed25519' } as const;
/** A key of its own: one Ed25519 key never signs two kinds of messages. */
const witnessFilter = { tenant: 'node', purpose: 'audit-witness', alg: 'ed25519' } as const;
type Filter = typeof logFilter | typeof witnessFilter;

/** Versions of a key that are named to those who check; older ones are not. */
const keysMax = 64;

/** Signs in the name of one log. The keys stay in the kms, and may be rotated there at any time. */
export interface LogSigner {
  readonly origin: string;
  /** Every version of the log's key that is not destroyed, newest first, at most 64. */
  keys(): readonly VerifierKey[];
  /** The signed note of a checkpoint. */
  sign(checkpoint: Omit<Checkpoint, 'origin' | 'extensions'>): Promise<string>;
  /** This node as a witness of other logs. */
  witnessKey(): VerifierKey;
  /** The signature line for another log's checkpoint text. */
  cosign(checkpointText: string, atSeconds: number): Promise<string>;
}

/** Makes the two keys where they are absent. `origin`: a schema-less URL, 1–255 characters, no space, no plus sign. */
export async function openLogSigner(kms: Kms, origin: string): Promise<LogSigner> {
  if (!isKeyName(origin)) throw new RangeError('an origin has 1 to 255 characters, no space and no plus sign');
  for (const filter of [logFilter, witnessFilter]) {
    if (kms.currentKey(filter) === undefined) await kms.createKey(filter);
  }
  const signWith = async (filter: Filter, type: SignatureType, message: Uint8Array) => {
    for (let attempt = 1; ; attempt += 1) {
      const kid = current(kms, filter);
      try {
        return { key: createVerifierKey(origin, type, kms.publicKey(kid)), signature: await kms.sign(kid, message) };
      } catch (error) {
        // Rotated in between: the version of a moment ago signs no more.
        if (attempt === 3 || !(error instanceof RonError) || error.code !== 'conflict') throw error;
      }
    }
  };
  return {
    origin,
    keys() {
      const usable = kms.listKeys(logFilter).filter(({ state }) => state !== 'destroyed');
      const newest = usable.slice(-keysMax).reverse();
      return newest.map(({ kid }) => createVerifierKey(origin, 'ed25519', kms.publicKey(kid)));
    },
    async sign({ size, root }) {
      const text = encodeCheckpoint({ origin, size, root, extensions: [] });
      const { key, signature } = await signWith(logFilter, 'ed25519', new TextEncoder().encode(text));
      const line: NoteSignature = { name: key.name, keyId: key.id, signature };
      return encodeNote({ text, signatures: [line] });
    },
    witnessKey: () => createVerifierKey(origin, 'cosignature', kms.publicKey(current(kms, witnessFilter))),
    async cosign(text, atSeconds) {
      const { key, signature } = await signWith(witnessFilter, 'cosignature', cosignedMessage(text, atSeconds));
      return encodeSignatureLine(createCosignature(key, atSeconds, signature));
    },
  };
}

function current(kms: Kms, filter: Filter): string {
  const key = kms.currentKey(filter);
  if (key === undefined) throw new RonError('unavailable', `the node has no ${filter.purpose} key`);
  return key.kid;
}
