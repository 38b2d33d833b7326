import { RonError } from '@ron/proto/errors';
import { type KeyAlgorithm, nodeTenant, parseKeyId } from './key-id.ts';
import { exportKey, importKey, type KeyMaterial } from './key-material.ts';
import { type Destruction, type KeyFilter, type KeyInfo, type KeyState, keysMax } from './kms.ts';

/** A version as the sealed file keeps it: a secret of 32 bytes, or the statement that it is gone. */
export interface StoredKey {
  readonly kid: string;
  readonly createdAtMs: number;
  readonly state: KeyState;
  readonly secret?: Uint8Array;
  readonly destruction?: Destruction;
}

/** What one operation does to the ring. An engine stores the outcome first, then applies it. */
export interface RingChange {
  readonly added?: readonly (StoredKey & { readonly secret: Uint8Array })[];
  readonly states?: ReadonlyMap<string, 'verifying' | 'retired'>;
  readonly destroyed?: Destruction;
}

export interface HeldKey {
  readonly info: KeyInfo;
  /** Undefined once the version is destroyed. */
  readonly material: KeyMaterial | undefined;
  readonly destruction: Destruction | undefined;
}

/** Room for the node's own keys, so that tenants who fill the keystore keep it neither from rotating nor from destroying with proof. */
const reservedKeysMax = 100;
/** Versions and tombstones that a file may name. */
export const storedKeysMax: number = keysMax + reservedKeysMax;

/** Every version of every key of one engine, in memory, oldest first. */
export class KeyRing {
  readonly #keys = new Map<string, HeldKey>();
  /** By uuid: the key id up to its version, and the active version. At most as many as keys. */
  readonly #families = new Map<string, { readonly head: string; active: string | undefined }>();
  /** By tenant, purpose and algorithm: what `current` found, until the next change. At most as many as keys. */
  readonly #current = new Map<string, KeyInfo>();
  /** Counts the changes that were applied. */
  generation = 0;

  /** For one more version of this tenant's keys. */
  refuseWhenFull(tenant: string): void {
    const max = tenant === nodeTenant ? storedKeysMax : keysMax;
    if (this.#keys.size >= max) {
      throw new RonError('insufficient_storage', `a keystore holds at most ${max} versions of keys`);
    }
  }

  /** Copies the secret into OpenSSL and overwrites the caller's bytes. */
  add(stored: StoredKey): void {
    const id = parseKeyId(stored.kid);
    if (id === undefined) throw new Error('malformed key');
    const { tenant, purpose, alg, version } = id;
    const { kid, createdAtMs, state } = stored;
    const info = Object.freeze({ kid, tenant, purpose, alg, version, state, createdAtMs });
    const material = stored.secret === undefined ? undefined : importKey(alg, stored.secret);
    this.#put({ info, material, destruction: stored.destruction });
    stored.secret?.fill(0);
  }

  apply(change: RingChange): void {
    for (const key of change.added ?? []) this.add(key);
    for (const [kid, state] of change.states ?? []) this.#restate(kid, { state });
    const { destroyed } = change;
    if (destroyed !== undefined) this.#restate(destroyed.kid, { state: 'destroyed', destruction: destroyed });
    this.generation += 1;
  }

  /** Every version as it will be after `change`, with copies of the secrets, for sealing; the caller overwrites them. */
  stored(change: RingChange = {}): StoredKey[] {
    const kept = [...this.#keys.values()].map(({ info, material, destruction }): StoredKey => {
      const { kid, createdAtMs } = info;
      const gone = change.destroyed?.kid === kid ? change.destroyed : destruction;
      if (gone !== undefined || material === undefined) {
        return { kid, createdAtMs, state: 'destroyed', ...(gone === undefined ? {} : { destruction: gone }) };
      }
      const state = change.states?.get(kid) ?? info.state;
      return { kid, createdAtMs, state, secret: exportKey(info.alg, material.key) };
    });
    return [...kept, ...(change.added ?? []).map((key) => ({ ...key, secret: key.secret.slice() }))];
  }

  list(filter: KeyFilter = {}): KeyInfo[] {
    const matches = (info: KeyInfo) =>
      (filter.tenant ?? info.tenant) === info.tenant &&
      (filter.purpose ?? info.purpose) === info.purpose &&
      (filter.alg ?? info.alg) === info.alg &&
      (filter.state ?? info.state) === info.state;
    return [...this.#keys.values()].map((held) => held.info).filter(matches);
  }

  get(kid: string): HeldKey | undefined {
    return this.#keys.get(kid);
  }

  /** The newest active version that matches. */
  current(filter: KeyFilter): KeyInfo | undefined {
    const place = `${filter.tenant}/${filter.purpose}/${filter.alg}`;
    const whole = filter.tenant !== undefined && filter.purpose !== undefined && filter.alg !== undefined;
    const known = whole ? this.#current.get(place) : undefined;
    if (known !== undefined) return known;
    const found = this.list({ ...filter, state: 'active' }).at(-1);
    if (whole && found !== undefined) this.#current.set(place, found);
    return found;
  }

  /** The version of an id's or uuid's key that makes new things. */
  activeOf(kidOrUuid: string): HeldKey | undefined {
    const family = this.#families.get(parseKeyId(kidOrUuid)?.uuid ?? kidOrUuid);
    // A whole id has to be this key's own: another tenant's name before its uuid names nothing.
    if (kidOrUuid.includes('#') && kidOrUuid.replace(/[0-9]+$/, '') !== family?.head) return undefined;
    const active = family?.active;
    return active === undefined ? undefined : this.#keys.get(active);
  }

  /** The key id of one version of an id's or uuid's key, whether it exists or not. */
  versionOf(kidOrUuid: string, version: number): string {
    const head = this.#families.get(kidOrUuid)?.head ?? kidOrUuid.replace(/[0-9]+$/, '');
    return `${head}${version}`;
  }

  /** To make something new: the active version only. */
  making(kid: string, algorithms: readonly KeyAlgorithm[]): KeyMaterial {
    const material = this.checking(kid, algorithms);
    if (this.#keys.get(kid)?.info.state !== 'active') throw notActive();
    return material;
  }

  /** To check or open what was made: the versions before, too. */
  checking(kid: string, algorithms: readonly KeyAlgorithm[]): KeyMaterial {
    const held = this.#keys.get(kid);
    const live = held?.info.state === 'active' || held?.info.state === 'verifying';
    if (!live || held.material === undefined || !algorithms.includes(held.info.alg)) throw noSuchKey();
    return held.material;
  }

  clear(): void {
    this.#keys.clear();
    this.#families.clear();
    this.#current.clear();
  }

  #restate(kid: string, next: { readonly state: KeyState; readonly destruction?: Destruction }): void {
    const held = this.#keys.get(kid);
    if (held === undefined) throw new Error('a change names a key that is not on the ring');
    this.#put({
      info: Object.freeze({ ...held.info, state: next.state }),
      material: next.destruction === undefined ? held.material : undefined,
      destruction: next.destruction,
    });
  }

  #put(held: HeldKey): void {
    const { kid, state } = held.info;
    this.#keys.set(kid, held);
    this.#current.clear();
    const { uuid } = parseKeyId(kid)!;
    const family = this.#families.get(uuid) ?? { head: kid.replace(/[0-9]+$/, ''), active: undefined };
    if (state === 'active') family.active = kid;
    else if (family.active === kid) family.active = undefined;
    this.#families.set(uuid, family);
  }
}

export function noSuchKey(): RonError {
  return new RonError('not_found', 'no such key');
}

export function notActive(): RonError {
  const message = 'this version of the key was rotated: use the active one';
  return new RonError('conflict', message, { details: { reason: 'not_active' } });
}
