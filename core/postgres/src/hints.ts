/** Names of things that changed; `undefined`: anything may have. */
export type HintListener = (keys: readonly string[] | undefined) => void;

/** Bytes of a payload; PostgreSQL takes less than 8,000. */
const payloadBytesMax = 7_000;
/** Keys that wait to be told, for one topic; past it, "anything" is told instead. */
const waitingMax = 1_000;

/** What is sent: from whom, about what, which keys; none for "anything". */
interface Payload {
  readonly from: string;
  readonly topic: string;
  readonly keys?: readonly string[];
}

/**
 * What processes on the same database tell each other, so that they need not ask: only a hint, which may be late, doubled
 * or lost, and changes how soon something is noticed, never whether it is right. Not part of any transaction: a `NOTIFY`
 * inside one takes a lock of the whole server at commit.
 */
export class Hints {
  readonly #from: string;
  readonly #listeners = new Map<string, Set<HintListener>>();
  /** By topic; undefined: anything. */
  readonly #waiting = new Map<string, Set<string> | undefined>();

  /** `from`: a name of this process alone, which does not hear itself. */
  constructor(from: string) {
    this.#from = from;
  }

  /** Whether `take` has something. */
  get pending(): boolean {
    return this.#waiting.size > 0;
  }

  subscribe(topic: string, listener: HintListener): Disposable {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return { [Symbol.dispose]: () => void listeners.delete(listener) };
  }

  publish(topic: string, key: string): void {
    const known = this.#waiting.has(topic);
    const keys = this.#waiting.get(topic);
    if (known && keys === undefined) return;
    if (keys === undefined) this.#waiting.set(topic, new Set([key]));
    else if (keys.size < waitingMax) keys.add(key);
    else this.#waiting.set(topic, undefined);
  }

  /** One payload for each topic that something is to be told of. */
  take(): readonly string[] {
    const payloads = [...this.#waiting].map(([topic, keys]) => {
      const base: Payload = { from: this.#from, topic };
      const whole = JSON.stringify(keys === undefined ? base : { ...base, keys: [...keys] });
      return Buffer.byteLength(whole) <= payloadBytesMax ? whole : JSON.stringify(base);
    });
    this.#waiting.clear();
    return payloads;
  }

  /** A payload came. One that cannot be read means that anything may have changed. */
  heard(text: string): void {
    const payload = parse(text);
    if (payload === undefined) this.missed();
    else if (payload.from !== this.#from) this.#tell(payload.topic, payload.keys);
  }

  /** Hints may have been lost. */
  missed(): void {
    for (const topic of this.#listeners.keys()) this.#tell(topic, undefined);
  }

  #tell(topic: string, keys: readonly string[] | undefined): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener(keys);
  }
}

function parse(text: string): Payload | undefined {
  try {
    const payload = JSON.parse(text) as Partial<Payload> | null;
    const { from, topic, keys } = payload ?? {};
    const isKeys = keys === undefined || (Array.isArray(keys) && keys.every((key) => typeof key === 'string'));
    return typeof from === 'string' && typeof topic === 'string' && isKeys ? (payload as Payload) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
