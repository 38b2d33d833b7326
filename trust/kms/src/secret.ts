const redacted = '[redacted]';

/**
 * Bytes that must not be printed. However it reaches a log, a template string, JSON or an inspector, it shows as
 * `[redacted]`. Disposing overwrites the bytes; JavaScript strings made from them cannot be overwritten, so `text()`
 * is for interfaces that take nothing else.
 */
export class Secret implements Disposable {
  readonly #bytes: Uint8Array;
  #disposed = false;

  /** Takes the bytes over: the caller must not keep them. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  static fromText(text: string): Secret {
    return new Secret(new TextEncoder().encode(text));
  }

  /** The bytes themselves, not a copy; do not keep them. */
  bytes(): Uint8Array {
    if (this.#disposed) throw new Error('the secret was disposed');
    return this.#bytes;
  }

  text(): string {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes());
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#bytes.fill(0);
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [Symbol.toPrimitive](): string {
    return redacted;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return redacted;
  }
}
