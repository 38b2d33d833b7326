import type { BodyTier } from './body-tier.ts';
import type { Entry } from './entry.ts';
import { fingerprint } from './fingerprint.ts';
import { GrowingBody } from './growing-body.ts';
import type { StoreLimits } from './response-store.ts';
import { S3Fifo } from './s3-fifo.ts';
import type { WholeBody } from './whole-body.ts';

/** Of bodies that are on their way down, which memory holds beyond its budget. */
const movingBytesMax = 32 * 1024 * 1024;
/** Of the memory's budget, on top of it, for the heads of what is below. */
const headsShare = 0.125;

type Leave = (entry: Entry, reason: 'evicted' | 'lost') => void;

/** Responses whose heads are in memory and whose bodies are below it, within a budget of their own. */
export class LowerTier {
  readonly bytesMax: number;
  readonly #tier: BodyTier;
  readonly #headBytesMax: number;
  readonly #onLeave: Leave;
  readonly #order: S3Fifo<Entry>;
  /** On their way, still read from memory. */
  readonly #moving = new Map<Entry, number>();
  /** What each head takes, since heads change. */
  readonly #heads = new Map<Entry, number>();
  #movingBytes = 0;
  #headBytes = 0;

  constructor(tier: BodyTier, { bytesMax, entriesMax }: StoreLimits, onLeave: Leave) {
    this.#tier = tier;
    this.bytesMax = tier.bytesMax;
    this.#headBytesMax = Math.floor(bytesMax * headsShare);
    this.#onLeave = onLeave;
    this.#order = new S3Fifo<Entry>({
      bytesMax: tier.bytesMax,
      itemsMax: entriesMax,
      onEvict: (entry) => {
        this.#dropped(entry);
        onLeave(entry, 'evicted');
      },
    });
  }

  get bytes(): number {
    return this.#order.bytes;
  }

  get entries(): number {
    return this.#order.size + this.#moving.size;
  }

  /** Takes what memory gives up; false when it is not worth it or does not fit. Once asked for again, it is worth it. */
  take(entry: Entry): boolean {
    const { content, hits } = entry;
    if (hits === 0 || content.kind !== 'whole' || !(content.body instanceof GrowingBody)) return false;
    const { body } = content;
    if (body.state !== 'complete' || body.bytes === 0 || body.bytes > this.bytesMax) return false;
    if (this.#movingBytes + body.bytes > movingBytesMax) return false;
    if (this.#headBytes + entry.headBytes > this.#headBytesMax) return false;
    this.#moving.set(entry, body.bytes);
    this.#movingBytes += body.bytes;
    void this.#tier.take(body.pieces).then((stored) => this.#arrived(entry, stored));
    return true;
  }

  #arrived(entry: Entry, stored: WholeBody | undefined): void {
    const bytes = this.#moving.get(entry);
    if (bytes === undefined) {
      // Removed while it was on its way.
      stored?.retain?.();
      stored?.release?.();
      return;
    }
    this.#moved(entry, bytes);
    if (stored === undefined) {
      this.#onLeave(entry, 'lost');
      return;
    }
    entry.content = { kind: 'whole', body: stored };
    entry.hits = 0;
    this.share(entry);
  }

  /** Holds an entry whose body is here already; false when it is not. */
  share(entry: Entry): boolean {
    const { content } = entry;
    if (content.kind !== 'whole' || content.body.retain === undefined) return false;
    content.body.retain();
    this.#heads.set(entry, entry.headBytes);
    this.#headBytes += entry.headBytes;
    this.#order.add(entry, fingerprint(`${entry.key}\n${entry.selecting}`), content.body.bytes);
    return true;
  }

  /** True when the body of this entry is here. */
  touch(entry: Entry): boolean {
    if (!this.#heads.has(entry)) return this.#moving.has(entry);
    this.#order.touch(entry);
    return true;
  }

  /** Lets go of the entry for memory to have it; whoever gets the body releases it. */
  give(entry: Entry): WholeBody | undefined {
    const { content } = entry;
    if (content.kind !== 'whole' || !this.#order.remove(entry)) return undefined;
    this.#forgetHead(entry);
    return content.body;
  }

  /** False when it is not here. */
  remove(entry: Entry): boolean {
    const bytes = this.#moving.get(entry);
    if (bytes !== undefined) {
      this.#moved(entry, bytes);
      return true;
    }
    if (!this.#order.remove(entry)) return false;
    this.#dropped(entry);
    return true;
  }

  #moved(entry: Entry, bytes: number): void {
    this.#moving.delete(entry);
    this.#movingBytes -= bytes;
  }

  #dropped(entry: Entry): void {
    this.#forgetHead(entry);
    if (entry.content.kind === 'whole') entry.content.body.release?.();
  }

  #forgetHead(entry: Entry): void {
    this.#headBytes -= this.#heads.get(entry) ?? 0;
    this.#heads.delete(entry);
  }
}
