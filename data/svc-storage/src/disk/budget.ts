import type { Env } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Catalog } from './catalog.ts';
import type { DiskEngineConfig } from './config.ts';

/** The file system is asked again after this time or after this many bytes written. */
const askAgainMs = 1000;
const askAgainBytes = 16 * 1024 * 1024;

/** What may still be written: the configured budget, and what the file system has left above the reserve. */
export class Budget {
  readonly #env: Pick<Env, 'clock' | 'disk'>;
  readonly #catalog: Catalog;
  readonly #config: Required<DiskEngineConfig>;
  /** Bytes of open writers and stagings. */
  #heldBytes = 0;
  #heldObjects = 0;
  #freeBytes = Number.POSITIVE_INFINITY;
  #askedMs = Number.NEGATIVE_INFINITY;
  #writtenBytes = 0;
  /** Since the file system was last asked. */
  #refused = false;

  constructor(env: Pick<Env, 'clock' | 'disk'>, catalog: Catalog, config: Required<DiskEngineConfig>) {
    this.#env = env;
    this.#catalog = catalog;
    this.#config = config;
  }

  get usedBytes(): number {
    return this.#catalog.bytes + this.#heldBytes;
  }

  get spaceIsLow(): boolean {
    return this.#refused || !this.#fits(1);
  }

  /** Throws `insufficient_storage`, and then holds nothing. */
  take(bytes: number, objects: 0 | 1): void {
    const { bytesMax, objectsMax } = this.#config;
    if (this.usedBytes + bytes > bytesMax) throw full('the byte budget of this node is used up', bytesMax);
    if (objects > 0 && this.#catalog.objects + this.#heldObjects + objects > objectsMax) {
      throw full('the node holds as many objects as it may', objectsMax);
    }
    this.hold(bytes, objects);
  }

  /** Takes bytes if they are there. */
  tryTake(bytes: number): boolean {
    if (this.usedBytes + bytes > this.#config.bytesMax) return false;
    this.hold(bytes, 0);
    return true;
  }

  /** For what is there already, whatever the budget says. */
  hold(bytes: number, objects: 0 | 1): void {
    this.#heldBytes += bytes;
    this.#heldObjects += objects;
  }

  give(bytes: number, objects: 0 | 1): void {
    this.#heldBytes -= bytes;
    this.#heldObjects -= objects;
    if (this.#heldBytes < 0 || this.#heldObjects < 0) throw new Error('the budget was given more than was taken');
  }

  /** Refuses to go on into the reserve. Returns at once unless it is time to ask the file system. */
  spend(bytes: number): void | Promise<void> {
    this.#writtenBytes += bytes;
    const due = this.#env.clock.monotonicMs() - this.#askedMs >= askAgainMs;
    if (due || this.#writtenBytes >= askAgainBytes || !this.#fits(bytes)) return this.#ask(bytes);
  }

  /** Asks again when the answer is old; the next look will have it. */
  poll(): void {
    if (this.#env.clock.monotonicMs() - this.#askedMs < askAgainMs) return;
    // Whoever writes meets the error.
    this.refresh().catch(() => undefined);
  }

  async refresh(): Promise<void> {
    this.#askedMs = this.#env.clock.monotonicMs();
    this.#writtenBytes = 0;
    this.#freeBytes = await this.#env.disk.freeBytes();
    this.#refused = false;
  }

  async #ask(bytes: number): Promise<void> {
    await this.refresh();
    if (this.#fits(bytes)) return;
    this.#refused = true;
    throw new RonError('insufficient_storage', 'the disk is full up to the reserve');
  }

  #fits(bytes: number): boolean {
    return this.#freeBytes - this.#writtenBytes - bytes >= this.#config.reserveBytes;
  }
}

function full(message: string, limit: number): RonError {
  return new RonError('insufficient_storage', message, { details: { limit } });
}
