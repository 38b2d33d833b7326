import type { Descriptor, RegistryChange, RegistrySigner, Snapshot } from '@ron/proto/registry';
import { checkContinuity, type HeldSnapshot, parseSnapshot, refuseSnapshot } from '@ron/signed';
import { refusal } from './refusal.ts';

export interface Validity {
  readonly nowMs: number;
  readonly expiresAt: number;
}

/**
 * The document that follows the head with these changes, in order. Refuses what makes no sense on this head: removing
 * what is not there, revoking who does not sign, a revocation that leaves fewer signers than the threshold.
 */
export function applyChanges(
  held: HeldSnapshot,
  changes: readonly RegistryChange[],
  { nowMs, expiresAt }: Validity,
): Snapshot {
  const { id, snapshot } = held;
  const descriptors = new Map(snapshot.descriptors.map((each) => [each.id, each]));
  const revoked = new Map(snapshot.revoked_signers.map((each) => [each.name, each]));
  let { signers, threshold } = snapshot;
  for (const change of changes) {
    if ('set' in change) descriptors.set(change.set.id, change.set);
    else if ('remove' in change) remove(descriptors, change.remove);
    else if ('signers' in change) ({ signers, threshold } = change);
    else {
      const gone = signers.find(({ name }) => name === change.revoke_signer);
      if (gone === undefined) throw refusal('bad_request', 'unknown_signer', 'only who signs can be revoked');
      signers = signers.filter((each) => each !== gone);
      revoked.set(gone.name, { name: gone.name, key: gone.keys.ed25519 });
    }
  }
  if (expiresAt <= nowMs) throw refuseSnapshot('expired', 'expires_at has passed', 'bad_request');
  const document = parseSnapshot({
    type: 'ron-registry',
    version: snapshot.version + 1,
    previous: id,
    // A clock that was set back must not make a snapshot older than the one before.
    issued_at: Math.max(nowMs, snapshot.issued_at),
    expires_at: expiresAt,
    signers: sorted(signers, nameOf),
    threshold,
    descriptors: sorted([...descriptors.values()], ({ id: key }) => key),
    revoked_signers: sorted([...revoked.values()], nameOf),
  } satisfies Snapshot);
  checkContinuity(held, document);
  return document;
}

/** Bytes that the signatures of these signers add to an encoded document, at most. */
export function signaturesBytes(signers: readonly RegistrySigner[]): number {
  const framing = 80;
  const one = ({ name, keys }: RegistrySigner) =>
    framing + name.length + 86 + (keys['ml-dsa-65'] === undefined ? 0 : framing + name.length + 4_412);
  return framing + signers.reduce((sum, signer) => sum + one(signer), 0);
}

function remove(descriptors: Map<string, Descriptor>, id: string): void {
  if (!descriptors.delete(id)) throw refusal('not_found', 'malformed', 'there is no such descriptor to remove');
}

const nameOf = ({ name }: { readonly name: string }): string => name;

/** By UTF-16 code units, as the form of a snapshot asks. */
function sorted<T>(list: readonly T[], keyOf: (item: T) => string): T[] {
  return list.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : keyOf(one) > keyOf(other) ? 1 : 0));
}
