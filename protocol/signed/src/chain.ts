import { canonicalJson, type JsonValue } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { Snapshot } from '@ron/proto/registry';
import { refuseSnapshot } from './chain-refusal.ts';
import { documentId, type SignedDocument } from './document.ts';
import { parseSigned } from './envelope.ts';
import { parseSnapshot } from './registry-snapshot.ts';
import { checkThreshold, type ThresholdRule, type VerifySignature } from './threshold.ts';

/** Snapshots that a registry keeps, so the longest gap that can be filled. */
export const snapshotGapMax = 1_000;

/** A snapshot that was checked, with its id. */
export interface HeldSnapshot {
  readonly id: string;
  readonly snapshot: Snapshot;
}

export interface ChainPorts {
  readonly verify: VerifySignature;
  /** The content address of bytes, `b3:` and hex. */
  readonly blake3: (bytes: Uint8Array) => string;
}

/** Names whose signatures hold and count, under each rule that the next snapshot must meet. */
export interface Approvals {
  readonly inForce: readonly string[];
  /** Undefined when signers and threshold stay as they are. */
  readonly next: readonly string[] | undefined;
  readonly met: boolean;
  /** Not met, and a revoked signer is among those who signed. */
  readonly spoiled: boolean;
}

/** Reads one encoded signed snapshot. Checks its form, not who signed it: `bad_request`, reason `malformed`. */
export function parseSignedSnapshot(text: string): SignedDocument<Snapshot> {
  return orMalformed(() => {
    const { document, signatures } = parseSigned(text);
    return { document: parseSnapshot(document), signatures };
  });
}

/** The id of a snapshot. What has no canonical form, and so no id, is `malformed`. */
export function snapshotId(document: Snapshot, blake3: ChainPorts['blake3']): string {
  return orMalformed(() => documentId(document, blake3));
}

function orMalformed<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof RonError) || typeof cause.details?.['reason'] === 'string') throw cause;
    throw refuseSnapshot('malformed', cause.message);
  }
}

/**
 * Who of the signers in force, and of the new ones where they change, has signed. Someone whom the document revokes has
 * no vote on it: a stolen key could otherwise help to write the list that it is struck from.
 */
export function countApprovals(before: Snapshot, signed: SignedDocument<Snapshot>, verify: VerifySignature): Approvals {
  const next = signed.document;
  if (signed.signatures.length === 0) {
    return { inForce: [], next: sameRule(before, next) ? undefined : [], met: false, spoiled: false };
  }
  const revoked = new Set(next.revoked_signers.map(({ key }) => key));
  const voters = before.signers.filter(({ keys }) => !revoked.has(keys.ed25519));
  const inForce = checkThreshold(signed, { signers: voters, threshold: before.threshold }, verify);
  const added = sameRule(before, next) ? undefined : checkThreshold(signed, next, verify);
  const met = inForce.met && (added?.met ?? true);
  const struck = new Set([...before.revoked_signers, ...next.revoked_signers].map(({ name }) => name));
  const spoiled = !met && signed.signatures.some(({ signer }) => struck.has(signer));
  return { inForce: inForce.valid, next: added?.valid, met, spoiled };
}

/**
 * Refuses a snapshot that may not follow `held`: rollback, fork, gap, a lost revocation, a changed signer, too few
 * signatures of the signers in force in `held`, or of the new ones. Expiry is the caller's: what is followed by
 * another snapshot may have expired meanwhile.
 */
export function checkSuccessor(held: HeldSnapshot, signed: SignedDocument<Snapshot>, verify: VerifySignature): void {
  const [before, next] = [held.snapshot, signed.document];
  refuseUnsigned(signed);
  if (next.version < before.version) throw refuseSnapshot('rollback', 'a newer snapshot is held');
  if (next.version === before.version) throw refuseSnapshot('fork', 'another snapshot of this version is held');
  if (next.version > before.version + 1) throw refuseSnapshot('gap', 'the versions between are missing');
  checkContinuity(held, next);
  const { met, spoiled } = countApprovals(before, signed, verify);
  if (spoiled) throw refuseSnapshot('revoked_signer', 'a revoked signer does not count');
  if (!met) throw refuseSnapshot('under_signed', 'too few signatures of the signers in force');
}

/** What the next document must keep of the one before, whoever signs it. */
export function checkContinuity({ id, snapshot: before }: HeldSnapshot, next: Snapshot): void {
  if (next.previous !== id) throw refuseSnapshot('fork', 'it does not follow the snapshot that is held');
  if (next.issued_at < before.issued_at) throw refuseSnapshot('rollback', 'it was issued before the one it follows');
  const revoked = new Map(next.revoked_signers.map(({ name, key }) => [name, key]));
  if (before.revoked_signers.some(({ name, key }) => revoked.get(name) !== key)) {
    throw refuseSnapshot('unrevoked', 'a revoked signer stays revoked');
  }
  const keys = new Map(before.signers.map((signer) => [signer.name, canonicalJson(signer.keys as JsonValue)]));
  for (const signer of next.signers) {
    const known = keys.get(signer.name);
    if (known !== undefined && known !== canonicalJson(signer.keys as JsonValue)) {
      throw refuseSnapshot('signer_changed', 'a signer with a new key needs a new name');
    }
  }
}

/** Refuses what the signers of `rule`, or its own, have not signed: the first snapshot of a chain, or of a client. */
export function checkFirst(
  signed: SignedDocument<Snapshot>,
  rule: ThresholdRule | undefined,
  verify: VerifySignature,
): void {
  refuseUnsigned(signed);
  const trusted = rule === undefined || checkThreshold(signed, rule, verify).met;
  if (!trusted || !checkThreshold(signed, signed.document, verify).met) {
    throw refuseSnapshot('under_signed', 'too few signatures of trusted signers');
  }
}

export type TrustedStart = { readonly id: string } | ThresholdRule;

export interface SnapshotClientOptions extends ChainPorts {
  /** The id of the first snapshot to take, or who must have signed it. Not asked when `state` holds one. */
  readonly trusted: TrustedStart;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** What `exportState` gave. Believed as it is: keep it where nobody else writes. */
  readonly state?: string;
}

export type Accepted =
  | { readonly outcome: 'accepted' | 'unchanged'; readonly id: string; readonly version: number }
  /** Fetch these versions and offer them, with the one that was offered, in one call. */
  | { readonly outcome: 'missing'; readonly fromVersion: number; readonly toVersion: number };

export interface SnapshotClient {
  readonly held: HeldSnapshot | undefined;
  /**
   * Takes a newer snapshot, or several that follow each other, all or none. Those between may have expired, the last
   * may not. Throws a RonError whose `details.reason` is a `ChainRefusal`; nothing has changed then.
   */
  accept(signed: string | readonly string[]): Accepted;
  /** The snapshot to act on. Throws `unavailable` when there is none yet, or it has expired. */
  current(): Snapshot;
  /** The held snapshot, to be given as `state` after a restart: what was seen cannot be rolled back then. */
  exportState(): string | undefined;
}

/** A reader of a registry that trusts nobody on the way. No I/O: the caller brings what `GET /registry/{version}` said. */
export function createSnapshotClient(options: SnapshotClientOptions): SnapshotClient {
  return new CheckedChain(options);
}

class CheckedChain implements SnapshotClient {
  readonly #options: SnapshotClientOptions;
  #held: HeldSnapshot | undefined;
  #text: string | undefined;

  constructor(options: SnapshotClientOptions) {
    this.#options = options;
    if (options.state === undefined) return;
    this.#held = this.#identify(parseSignedSnapshot(options.state));
    this.#text = options.state;
  }

  get held(): HeldSnapshot | undefined {
    return this.#held;
  }

  accept(given: string | readonly string[]): Accepted {
    const texts = typeof given === 'string' ? [given] : given;
    const before = this.#held;
    let held = before;
    let text = this.#text;
    for (const each of texts) {
      const signed = parseSignedSnapshot(each);
      const found = this.#identify(signed);
      if (held?.id === found.id) continue;
      const missing = held === undefined ? undefined : missingBetween(held, signed);
      if (missing !== undefined) return missing;
      if (held === undefined) this.#checkStart(signed, found.id);
      else checkSuccessor(held, signed, this.#options.verify);
      [held, text] = [found, each];
    }
    if (held === undefined) throw refuseSnapshot('malformed', 'no snapshot was given');
    if (held.snapshot.expires_at <= this.#options.now()) throw refuseSnapshot('expired', 'the snapshot has expired');
    [this.#held, this.#text] = [held, text];
    const outcome = held.id === before?.id ? 'unchanged' : 'accepted';
    return { outcome, id: held.id, version: held.snapshot.version };
  }

  current(): Snapshot {
    if (this.#held === undefined) throw new RonError('unavailable', 'no snapshot was accepted yet');
    const { snapshot } = this.#held;
    if (snapshot.expires_at <= this.#options.now()) {
      throw refuseSnapshot('expired', 'the snapshot has expired: fetch a newer one', 'unavailable');
    }
    return snapshot;
  }

  exportState(): string | undefined {
    return this.#text;
  }

  #checkStart(signed: SignedDocument<Snapshot>, id: string): void {
    const { trusted, verify } = this.#options;
    if ('id' in trusted && trusted.id !== id) throw refuseSnapshot('untrusted', 'not the snapshot that was pinned');
    checkFirst(signed, 'id' in trusted ? undefined : trusted, verify);
  }

  #identify({ document }: SignedDocument<Snapshot>): HeldSnapshot {
    return { id: snapshotId(document, this.#options.blake3), snapshot: document };
  }
}

function missingBetween({ snapshot }: HeldSnapshot, signed: SignedDocument<Snapshot>): Accepted | undefined {
  refuseUnsigned(signed);
  const [fromVersion, toVersion] = [snapshot.version + 1, signed.document.version - 1];
  const missing = toVersion - fromVersion + 1;
  if (missing < 1) return undefined;
  if (missing <= snapshotGapMax) return { outcome: 'missing', fromVersion, toVersion };
  throw refuseSnapshot('gap', `more than ${snapshotGapMax} versions are missing: pin a newer snapshot`);
}

function refuseUnsigned({ signatures }: SignedDocument<Snapshot>): void {
  if (signatures.length === 0) throw refuseSnapshot('unsigned', 'nobody has signed it');
}

function sameRule(one: Snapshot, other: Snapshot): boolean {
  const rule = ({ signers, threshold }: Snapshot) => canonicalJson({ signers: signers as JsonValue, threshold });
  return rule(one) === rule(other);
}
