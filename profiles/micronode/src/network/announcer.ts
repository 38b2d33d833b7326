import type { Log } from '@ron/kernel';
import type { Peer } from '@ron/proto/contract';
import type { dhtContract } from '@ron/proto/dht';

/** Of one call. */
const batchMax = 1_000;
/** Addresses that wait to be told; what comes beyond them is told at the next start, when all are. */
const waitingMax = 100_000;

/** Tells the network, in the background, which objects this node has. */
export class Announcer {
  readonly #dht: () => Pick<Peer<typeof dhtContract>, 'announce'>;
  readonly #log: Log;
  readonly #waiting = new Set<string>();
  #telling: Promise<void> | undefined;

  constructor(dht: () => Pick<Peer<typeof dhtContract>, 'announce'>, log: Log) {
    this.#dht = dht;
    this.#log = log;
  }

  add(address: string): void {
    if (this.#waiting.size >= waitingMax) return;
    this.#waiting.add(address);
    this.#telling ??= this.#tell();
  }

  /** What was here before the node started. Waits as long as the telling takes. */
  async addAll(addresses: Iterable<string>): Promise<void> {
    for (const address of addresses) {
      this.add(address);
      if (this.#waiting.size >= batchMax) await this.#telling;
    }
  }

  async #tell(): Promise<void> {
    // What is put in the same turn goes along.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const addresses = [...this.#waiting].slice(0, batchMax);
      for (const address of addresses) this.#waiting.delete(address);
      await this.#dht()
        .announce({ addresses })
        .catch((err: unknown) => this.#log.warn({ err, objects: addresses.length }, 'objects were not announced'));
    }
    this.#telling = undefined;
  }
}
