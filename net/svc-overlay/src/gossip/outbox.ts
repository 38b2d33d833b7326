import type { Clock, Timer } from '@ron/kernel';
import type { Contact } from '@ron/proto/network';
import { type GossipMessage, overlayLimits } from '@ron/proto/overlay';
import type { TokenBuckets } from '@ron/transport';

/** Milliseconds that a message waits for others to the same node. */
const gatherMs = 20;
/** Messages that wait, to all nodes together. */
const waitingMax = 4_096;
/** Calls that are not answered yet. */
const callsMax = 256;

export interface OutboxParts {
  readonly clock: Clock;
  readonly rates: TokenBuckets;
  readonly send: (to: Contact, messages: GossipMessage[]) => Promise<void>;
  readonly onDropped: (count: number) => void;
}

/** Messages on their way out. What is too much for a node or for us is dropped: others pass it on. */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #waiting = new Map<string, { readonly to: Contact; readonly messages: GossipMessage[] }>();
  #count = 0;
  #calls = 0;
  #timer: Timer | undefined;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#count;
  }

  put(to: Contact, message: GossipMessage): void {
    const { clock, rates, onDropped } = this.#parts;
    const batch = this.#waiting.get(to.id) ?? { to, messages: [] };
    const isFull = this.#count >= waitingMax || batch.messages.length >= overlayLimits.gossipMessagesMax;
    if (isFull || rates.take(to.id) > 0) {
      onDropped(1);
      return;
    }
    batch.messages.push(message);
    this.#waiting.set(to.id, batch);
    this.#count++;
    this.#timer ??= clock.after(gatherMs, () => this.#flush());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#waiting.clear();
    this.#count = 0;
  }

  #flush(): void {
    this.#timer = undefined;
    const batches = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#count = 0;
    for (const { to, messages } of batches) {
      if (this.#calls >= callsMax) this.#parts.onDropped(messages.length);
      else void this.#send(to, messages);
    }
  }

  async #send(to: Contact, messages: GossipMessage[]): Promise<void> {
    this.#calls++;
    try {
      await this.#parts.send(to, messages);
    } catch {
      this.#parts.onDropped(messages.length);
    } finally {
      this.#calls--;
    }
  }
}
