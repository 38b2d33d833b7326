import { rootKeyPurpose } from '@ron/auth';
import type { Env } from '@ron/kernel';
import { type Kms, parseKeyId } from '@ron/kms';
import type { Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { endFamily, newestMs } from './ending.ts';
import type { Draft } from './store/draft.ts';
import type { PassportStore } from './store/passport-store.ts';
import { type Family, type NewRevocation, revocationsHeldMax } from './store/records.ts';

export interface RevokerPorts {
  readonly store: PassportStore;
  readonly kms: Kms;
  readonly clock: Env['clock'];
  readonly revocationsMax: () => number;
}

export interface Revoked {
  readonly seq: number;
  readonly entries: number;
  readonly families: number;
}

/**
 * Takes back. What it answers is on stable storage, in the feed, and in force on this node. An administrator of one
 * tenant reaches that tenant only; what it may not see is `not_found`.
 */
export class Revoker {
  readonly #ports: RevokerPorts;

  constructor(ports: RevokerPorts) {
    this.#ports = ports;
  }

  /** One capability with everything attenuated from it. Its family lives on: the holder can refresh. */
  capability(id: string, by: Principal): Promise<Revoked> {
    const family = this.#familyWith(id);
    if (by.tenant !== '' && family?.tenant !== by.tenant) throw unknown('capability');
    const expiresAtMs = family?.capabilities.find((each) => each.id === id)?.expiresAtMs;
    // Who did not issue it does not know when it expires: the entry stays.
    const until = expiresAtMs === undefined ? {} : { until: expiresAtMs };
    return this.#change((draft) => {
      this.#revoke(draft, { kind: 'capability', id, ...until }, by);
      return 0;
    });
  }

  /** A family with all that it minted. */
  family(id: string, by: Principal): Promise<Revoked> {
    return this.#change((draft) => {
      const family = draft.family(id);
      if (family === undefined || (by.tenant !== '' && family.tenant !== by.tenant)) throw unknown('family');
      endFamily(draft, family, this.#ports.clock.wallMs());
      return 1;
    });
  }

  /** Everything that was minted for a subject until now, here or elsewhere, and all its families. */
  subject(tenant: string, subject: string, by: Principal): Promise<Revoked> {
    return this.#change((draft) => {
      const families = [...draft.families()].filter((each) => each.subject === subject && each.tenant === tenant);
      // Made-up subjects, each an entry that stays, would use up what all tenants may revoke.
      if (by.tenant !== '' && draft.subject(tenant, subject) === undefined) throw unknown('subject');
      const untilMs = newestMs(families, this.#ports.clock.wallMs());
      this.#revoke(draft, { kind: 'subject', tenant, subject, minted_until: untilMs }, by);
      for (const { id } of families) draft.dropFamily(id);
      return families.length;
    });
  }

  /** All that one key version minted. The current one has to be rotated first, or the node could issue nothing good. */
  key(kid: string, by: Principal): Promise<Revoked> {
    if (by.tenant !== '') {
      throw new RonError('forbidden', 'keys are the node’s, not a tenant’s', { details: { reason: 'tenant' } });
    }
    const key = parseKeyId(kid);
    if (key?.tenant !== rootKeyPurpose.tenant || key.purpose !== rootKeyPurpose.purpose) {
      throw new RonError('bad_request', 'kid names no key that mints capabilities', { details: { field: 'kid' } });
    }
    const { kms } = this.#ports;
    const roots = { ...rootKeyPurpose, alg: key.alg };
    // One that a rotation has yet to make would be void from its first capability on.
    if (!kms.listKeys(roots).some((each) => each.kid === kid)) throw unknown('key');
    if (kms.currentKey(roots)?.kid === kid) {
      throw new RonError('conflict', 'this key mints now: rotate it first', { details: { reason: 'current_key' } });
    }
    return this.#change((draft) => {
      this.#revoke(draft, { kind: 'key', kid }, by);
      return 0;
    });
  }

  async #change(decide: (draft: Draft) => number): Promise<Revoked> {
    const { store, clock, revocationsMax } = this.#ports;
    if (store.meta.revocations >= revocationsMax()) await store.sweep(clock.wallMs());
    return store.transact(
      (draft) => {
        const families = decide(draft);
        return { seq: draft.meta.seq, entries: draft.revoked.length, families };
      },
      { urgent: true },
    );
  }

  /**
   * Entries without an end have the configured room, tenants' administrators half of it, so that none of them can keep
   * the node's own from revoking. The others go by themselves: families that end cannot use that room up.
   */
  #revoke(draft: Draft, revocation: NewRevocation, by: Principal): void {
    const max = this.#ports.revocationsMax();
    const stays = revocation.until === undefined;
    const room = stays ? (by.tenant === '' ? max : Math.ceil(max / 2)) : revocationsHeldMax;
    draft.revoke(revocation);
    if (draft.meta.revocations <= room || draft.revoked.length === 0) return;
    if (stays && count(draft.revocations(), ({ until }) => until === undefined) <= room) return;
    throw new RonError('insufficient_storage', `at most ${room} revocations: rotate the key and revoke the old one`);
  }

  #familyWith(id: string): Family | undefined {
    for (const family of this.#ports.store.families()) {
      if (family.capabilities.some((each) => each.id === id)) return family;
    }
    return undefined;
  }
}

function unknown(what: string): RonError {
  return new RonError('not_found', `the node knows no such ${what}`);
}

function count<T>(all: Iterable<T>, wanted: (each: T) => boolean): number {
  let found = 0;
  for (const each of all) if (wanted(each)) found += 1;
  return found;
}
