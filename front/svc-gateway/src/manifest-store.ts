import { type Manifest, manifestBytesMax, parseManifest } from '@ron/naming';
import type { CallContext } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { LiveConfig } from '@ron/service';
import type { GatewayConfig } from './config.ts';
import { readExactly } from './exact-body.ts';
import { LruBytes } from './lru-bytes.ts';

/** How every canonical manifest begins; anything else need not be read to know that it is none. */
const opening = new TextEncoder().encode('{"entries":[');
/** `{"entries":[],"v":1}`. */
const manifestBytesMin = 20;
/** Manifests being read and parsed at once: each may hold a few times `manifestBytesMax`. */
const loadsMax = 4;

/**
 * Estimates of what is held for one manifest: its texts as UTF-16 and objects around them; the map's own entry for
 * an object that is none.
 */
const bytesPerTextByte = 2;
const bytesPerEntry = 160;
const bytesPerMiss = 256;

/** Where the bytes of manifests come from. */
export interface ManifestBytes {
  stat(input: { readonly address: string }, options: Options): Promise<{ readonly size: number }>;
  get(input: Span, options: Options): Promise<{ readonly body: ByteStream }>;
}

interface Span {
  readonly address: string;
  readonly start?: number;
  readonly length?: number;
}

interface Options {
  readonly context: CallContext;
}

/** Parsed bundle manifests by address. Content under an address never changes, so an entry never goes stale. */
export class ManifestStore {
  readonly #objects: ManifestBytes;
  readonly #config: LiveConfig<GatewayConfig>;
  readonly #cache = new LruBytes<Manifest | 'none'>();
  readonly #loading = new Map<string, Promise<Manifest | undefined>>();
  /** In the order of their coming; bounded by the calls in flight, each of which waits at most once. */
  readonly #waiting = new Set<() => void>();
  #loads = 0;

  constructor(objects: ManifestBytes, config: LiveConfig<GatewayConfig>) {
    this.#objects = objects;
    this.#config = config;
  }

  /** Estimated bytes of the cache, for metrics. */
  get cachedBytes(): number {
    return this.#cache.totalBytes;
  }

  /** The manifest that this object is, or undefined when it is something else. Rejects as the edge does. */
  async open(address: string, context: CallContext): Promise<Manifest | undefined> {
    for (;;) {
      const cached = this.#cache.get(address);
      if (cached !== undefined) return cached === 'none' ? undefined : cached;
      const shared = this.#loading.get(address);
      if (shared === undefined) return this.#lead(address, context);
      const settled = await shared.then(
        (manifest) => ({ manifest }),
        // Another caller's failure, perhaps its deadline; one of those who waited tries again.
        () => undefined,
      );
      if (settled !== undefined) return settled.manifest;
    }
  }

  async #lead(address: string, context: CallContext): Promise<Manifest | undefined> {
    const loading = this.#load(address, context).finally(() => this.#loading.delete(address));
    this.#loading.set(address, loading);
    return loading;
  }

  async #load(address: string, context: CallContext): Promise<Manifest | undefined> {
    await this.#enter(context);
    try {
      const { size } = await this.#objects.stat({ address }, { context });
      const manifest = await this.#read(address, size, context);
      const weight =
        manifest === undefined ? bytesPerMiss : size * bytesPerTextByte + manifest.entries.length * bytesPerEntry;
      this.#cache.set(address, manifest ?? 'none', weight, this.#config.current().manifest_cache_bytes);
      return manifest;
    } finally {
      this.#leave();
    }
  }

  async #read(address: string, size: number, context: CallContext): Promise<Manifest | undefined> {
    if (size < manifestBytesMin || size > manifestBytesMax) return undefined;
    const head = await this.#objects.get({ address, start: 0, length: opening.byteLength }, { context });
    const first = await readExactly(head.body, opening.byteLength);
    if (!opening.every((byte, index) => first[index] === byte)) return undefined;
    const whole = await this.#objects.get({ address }, { context });
    const bytes = await readExactly(whole.body, size);
    try {
      return parseManifest(bytes);
    } catch (error) {
      // Begins like one but is not: an object like any other.
      if (error instanceof RonError && error.code === 'bad_request') return undefined;
      throw error;
    }
  }

  /** Rejects when the call ends first. */
  async #enter(context: CallContext): Promise<void> {
    if (this.#loads < loadsMax) {
      this.#loads += 1;
      return;
    }
    const { signal } = context;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      if (this.#waiting.delete(resolve)) reject(signal.reason);
    };
    this.#waiting.add(resolve);
    signal.addEventListener('abort', onAbort, { once: true });
    await promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#loads -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
