import type { Fields } from '../fields/fields.ts';
import { dateOf } from '../rules/freshness.ts';
import { isPreferredLanguage, selectingKey } from '../rules/vary.ts';
import type { BodyTier } from './body-tier.ts';
import type { Entry } from './entry.ts';
import { fingerprint } from './fingerprint.ts';
import { GrowingBody } from './growing-body.ts';
import { LowerTier } from './lower-tier.ts';
import { S3Fifo } from './s3-fifo.ts';

/** Responses that one URI may have at a time; the oldest goes. */
export const variantsMax = 32;

/** Of the budget, on top of it, for parts that are still arriving. */
const leasedShare = 0.25;

/** Requests for a body on disk after which it is read into memory again: one alone may be a scan. */
const promotedHits = 2;

export interface StoreLimits {
  readonly bytesMax: number;
  readonly entriesMax: number;
  /** Of one body. */
  readonly bodyBytesMax: number;
}

/** Stored responses by URI, within a budget of bytes that counts heads and bodies, also those still arriving. */
export class ResponseStore {
  readonly limits: StoreLimits;
  readonly #resources = new Map<string, Entry[]>();
  readonly #order: S3Fifo<Entry>;
  readonly #below: LowerTier | undefined;
  /** Responses that made room for others. */
  readonly evictions = { ram: 0, disk: 0 };
  #leased = 0;

  constructor(limits: StoreLimits, tier?: BodyTier) {
    this.limits = limits;
    this.#order = new S3Fifo<Entry>({
      bytesMax: limits.bytesMax,
      itemsMax: limits.entriesMax,
      onEvict: (entry) => {
        this.evictions.ram++;
        if (this.#below?.take(entry) !== true) this.#forget(entry);
      },
    });
    if (tier === undefined) return;
    this.#below = new LowerTier(tier, limits, (entry, reason) => {
      if (reason === 'evicted') this.evictions.disk++;
      this.#forget(entry);
    });
  }

  get bytes(): number {
    return this.#order.bytes;
  }

  get entries(): number {
    return this.#order.size + (this.#below?.entries ?? 0);
  }

  get diskBytes(): number {
    return this.#below?.bytes ?? 0;
  }

  get diskBytesMax(): number {
    return this.#below?.bytesMax ?? 0;
  }

  /** All of a URI, newest first. */
  variants(key: string): readonly Entry[] {
    return this.#resources.get(key) ?? [];
  }

  /** The stored response that a request selects: of several the newest. RFC 9111, 4 and 4.1. */
  select(key: string, request: Fields): Entry | undefined {
    const variants = this.#resources.get(key);
    if (variants === undefined) return undefined;
    const exact = variants.find((entry) => entry.names.length === 0 || this.#matches(entry, request));
    const chosen = exact ?? variants.find((entry) => inPreferredLanguage(entry, request));
    if (chosen !== undefined) this.#touch(chosen);
    return chosen;
  }

  #touch(entry: Entry): void {
    entry.hits++;
    if (this.#below?.touch(entry) !== true) this.#order.touch(entry);
    else if (entry.isBroken) return;
    else if (entry.hits >= promotedHits && entry.content.body.bytes <= this.limits.bodyBytesMax) this.#promote(entry);
  }

  /** Back into memory, read by everybody while it comes. */
  #promote(entry: Entry): void {
    const stored = this.#below?.give(entry);
    if (stored === undefined) return;
    entry.hits = 0;
    this.#order.add(entry, idOf(entry), entry.headBytes);
    const body = new GrowingBody(stored.read(), {
      declared: stored.bytes,
      keep: (bytes) => this.grow(entry, bytes),
      onSettled: (state) => {
        stored.release?.();
        if (state === 'broken') this.remove(entry);
      },
    });
    entry.content = { kind: 'whole', body };
  }

  #matches(entry: Entry, request: Fields): boolean {
    return selectingKey(entry.names, request) === entry.selecting;
  }

  /** Takes the place of what the same requests selected before. */
  add(entry: Entry, bodyBytes = 0): void {
    // What is replaced may have the same body.
    const whole = entry.content.kind === 'whole' ? entry.content.body : undefined;
    whole?.retain?.();
    const variants = this.#resources.get(entry.key) ?? [];
    for (const older of variants) if (this.#matches(entry, older.request)) this.remove(older);
    const kept = this.#resources.get(entry.key) ?? [];
    const index = kept.findIndex((other) => dateMsOf(other) <= dateMsOf(entry));
    kept.splice(index === -1 ? kept.length : index, 0, entry);
    this.#resources.set(entry.key, kept);
    // Two heads may have one body: where that lies on disk, the newer one has its place there too.
    if (this.#below?.share(entry) !== true) this.#order.add(entry, idOf(entry), entry.headBytes + bodyBytes);
    for (const oldest of kept.slice(variantsMax)) this.remove(oldest);
    whole?.release?.();
  }

  /** False when `bytes` more do not fit or the entry is gone: it then must not grow. */
  grow(entry: Entry, bytes: number): boolean {
    if (entry.removed) return false;
    if (entry.content.body.bytes + bytes > this.limits.bodyBytesMax) {
      this.remove(entry);
      return false;
    }
    return this.#order.grow(entry, bytes);
  }

  /** Room for a part that is still arriving, apart from the entries; false = it is not to be kept. */
  lease(bytes: number): boolean {
    if (this.#leased + bytes > this.limits.bytesMax * leasedShare) return false;
    this.#leased += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#leased -= bytes;
  }

  remove(entry: Entry): void {
    if (this.#order.remove(entry) || this.#below?.remove(entry) === true) this.#forget(entry);
  }

  /** All variants; returns how many there were. */
  removeAll(key: string): number {
    const variants = [...this.variants(key)];
    for (const entry of variants) this.remove(entry);
    return variants.length;
  }

  removeWhere(isMeant: (key: string) => boolean): number {
    let count = 0;
    for (const key of [...this.#resources.keys()]) if (isMeant(key)) count += this.removeAll(key);
    return count;
  }

  #forget(entry: Entry): void {
    entry.removed = true;
    const variants = this.#resources.get(entry.key)?.filter((other) => other !== entry) ?? [];
    if (variants.length === 0) this.#resources.delete(entry.key);
    else this.#resources.set(entry.key, variants);
  }
}

function idOf(entry: Entry): number {
  return fingerprint(`${entry.key}\n${entry.selecting}`);
}

function inPreferredLanguage(entry: Entry, request: Fields): boolean {
  const others = entry.names.filter((name) => name !== 'accept-language');
  if (others.length === entry.names.length || !isPreferredLanguage(request, entry.fields)) return false;
  return selectingKey(others, request) === selectingKey(others, entry.request);
}

function dateMsOf(entry: Entry): number {
  return dateOf(entry.fields, entry.arrival.responseWallMs);
}
