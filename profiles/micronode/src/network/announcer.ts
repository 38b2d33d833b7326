import type { Log } from '@ron/kernel';
import type { Peer } from '@ron/proto/contract';
import type { dhtContract } from '@ron/proto/dht';

/** Of one call. */
const batchMax = 1_000;
/** Addresses that wait to be told; what comes beyond them is told at the next start, when all that is here is. */
const waitingMax = 100_000;

export type LocalDht = Pick<Peer<typeof dhtContract>, 'announce' | 'withdraw'>;

/** Tells the network, in the background, which objects this node has, and which it has no longer. */
export class Announcer {
  readonly #dht: () => LocalDht;
  readonly #log: Log;
  /** Whether it is here, as it was heard last. */
  readonly #waiting = new Map<string, boolean>();
  #telling: Promise<void> | undefined;

  constructor(dht: () => LocalDht, log: Log) {
    this.#dht = dht;
    this.#log = log;
  }

  add(address: string): void {
    this.#note(address, true);
  }

  remove(address: string): void {
    this.#note(address, false);
  }

  /** What was here before the node started. Waits as long as the telling takes. */
  async addAll(addresses: Iterable<string>): Promise<void> {
    for (const address of addresses) {
      this.add(address);
      if (this.#waiting.size >= batchMax) await this.#telling;
    }
  }

  #note(address: string, isHere: boolean): void {
    if (this.#waiting.size >= waitingMax && !this.#waiting.has(address)) return;
    this.#waiting.set(address, isHere);
    this.#telling ??= this.#tell();
  }

  async #tell(): Promise<void> {
    // What is put in the same turn goes along.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const some = [...this.#waiting].slice(0, batchMax);
      for (const [address] of some) this.#waiting.delete(address);
      await this.#say('announce', some, true);
      await this.#say('withdraw', some, false);
    }
    this.#telling = undefined;
  }

  async #say(what: 'announce' | 'withdraw', some: readonly (readonly [string, boolean])[], isHere: boolean) {
    const addresses = some.filter((each) => each[1] === isHere).map(([address]) => address);
    if (addresses.length === 0) return;
    await this.#dht()
      [what]({ addresses })
      .catch((err: unknown) => this.#log.warn({ err, what, objects: addresses.length }, 'the network was not told'));
  }
}
