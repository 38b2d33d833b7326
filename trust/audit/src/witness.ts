import type { Table } from '@ron/journal';
import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import {
  encodeBase64,
  encodeVerifierKey,
  openCheckpoint,
  parseBase64,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  type SignedCheckpoint,
  type VerifierKey,
  verifyConsistency,
} from '@ron/tlog';
import { treeHasher, verifyEd25519 } from './hashing.ts';
import type { LogSigner } from './signer.ts';

/** Of one other log, under `of:<origin>`; of this log's own newest cosigned checkpoint, under `own`, with `note`. */
export interface CosignedRecord {
  readonly size: number;
  /** Base64. */
  readonly root: string;
  /** Verifier keys that the origin was pinned to. */
  readonly keys: readonly string[];
  readonly note?: string;
}

export interface CosignRequest {
  readonly checkpoint: string;
  readonly old_size: number;
  readonly proof: readonly string[];
  readonly verifier_key?: string;
}

export interface WitnessParts {
  readonly signer: LogSigner;
  readonly cosigned: Table<CosignedRecord>;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** Verifier keys that the configuration trusts, of any origin. */
  readonly configured: () => readonly string[];
}

/**
 * Cosigns other logs' checkpoints: of each origin one line of trees, each the beginning of the next. What it will sign
 * is remembered durably before it is signed, so that no restart makes it sign another branch.
 */
export class Witness {
  readonly #parts: WitnessParts;

  constructor(parts: WitnessParts) {
    this.#parts = parts;
  }

  /** Refuses with `conflict` (`details.reason` `rollback`, `fork` or `stale`) and `forbidden` (`other_key`). */
  async cosign(request: CosignRequest): Promise<{ origin: string; size: number; cosignature: string }> {
    const { signer, cosigned, clock } = this.#parts;
    const { origin } = parseCheckpoint(parseNote(request.checkpoint).text);
    const trusted = this.#trusted(origin, request.verifier_key);
    const checkpoint = await this.#open(request.checkpoint, trusted);
    const proof = request.proof.map((hash) => parseBase64(hash) ?? refuse('bad_request', 'a hash is base64', 'proof'));
    await cosigned.transact((table) => {
      const before = table.get(recordKey(origin));
      // Another call may have pinned the origin to other keys since.
      if (before !== undefined && !this.#isTrusted(before, checkpoint)) refuseKey(origin);
      checkGrowth(before, checkpoint, request.old_size, proof);
      const record = {
        size: checkpoint.size,
        root: encodeBase64(checkpoint.root),
        keys: before?.keys ?? trusted.map(encodeVerifierKey),
      };
      return { changes: [[recordKey(origin), record]], result: undefined };
    });
    const atSeconds = Math.floor(clock.wallMs() / 1_000);
    return { origin, size: checkpoint.size, cosignature: await signer.cosign(checkpoint.note.text, atSeconds) };
  }

  /** The configuration wins; then the keys of the first time; then, the first time, what the administrator says. */
  #trusted(origin: string, offered: string | undefined): readonly VerifierKey[] {
    const configured = this.#parts.configured().map(parseVerifierKey);
    const own = configured.filter(({ name }) => name === origin);
    const pinned = this.#parts.cosigned.get(recordKey(origin))?.keys;
    const keys = own.length > 0 ? own : (pinned ?? (offered === undefined ? [] : [offered])).map(parseKey);
    if (offered !== undefined && !keys.some((key) => encodeVerifierKey(key) === offered)) refuseKey(origin);
    return keys.some(({ name, type }) => name === origin && type === 'ed25519') ? keys : refuseKey(origin);
  }

  #isTrusted(before: CosignedRecord, { signers }: SignedCheckpoint): boolean {
    const known = new Set([...before.keys, ...this.#parts.configured()]);
    return signers.some((key) => known.has(encodeVerifierKey(key)));
  }

  async #open(text: string, keys: readonly VerifierKey[]): Promise<SignedCheckpoint> {
    try {
      return await openCheckpoint(text, keys, verifyEd25519);
    } catch (error) {
      if (!(error instanceof RonError)) throw error;
      return refuse('forbidden', 'the checkpoint is not signed by a key that this witness trusts', 'other_key', error);
    }
  }
}

function checkGrowth(
  before: CosignedRecord | undefined,
  { size, root }: SignedCheckpoint,
  oldSize: number,
  proof: readonly Uint8Array[],
): void {
  const seen = before?.size ?? 0;
  const fromRoot = before === undefined ? treeHasher.emptyRoot : (parseBase64(before.root) ?? treeHasher.emptyRoot);
  const conflict = (reason: string, message: string): never => {
    throw new RonError('conflict', message, { details: { reason, size: seen } });
  };
  if (size < seen) conflict('rollback', `this witness has cosigned ${seen} entries of that log already`);
  if (oldSize !== seen) conflict('stale', `the proof must begin at ${seen} entries, which were cosigned last`);
  if (!verifyConsistency({ from: seen, to: size, fromRoot, toRoot: root, proof }, treeHasher)) {
    conflict('fork', 'the checkpoint’s tree does not begin with the one that was cosigned last');
  }
}

function recordKey(origin: string): string {
  return `of:${origin}`;
}

function parseKey(text: string): VerifierKey {
  return parseVerifierKey(text);
}

function refuseKey(origin: string): never {
  return refuse('forbidden', `this witness trusts no such key for ${origin}`, 'other_key');
}

function refuse(code: 'bad_request' | 'forbidden', message: string, reason: string, cause?: unknown): never {
  throw new RonError(code, message, { details: { reason }, ...(cause === undefined ? {} : { cause }) });
}
