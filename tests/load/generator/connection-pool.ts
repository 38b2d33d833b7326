import { performance } from 'node:perf_hooks';
import { Connection } from './connection.ts';

export interface PoolOptions {
  readonly host: string;
  readonly port: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly addressFrom: number;
}

/** A node closes after 5 s without a request; who sends in that moment gets no answer, so nobody sends this late. */
const idleMsMax = 3_000;

/** A bounded number of connections, the one used last first, so that a light load leaves the others to their idle end. */
export class ConnectionPool {
  readonly #options: PoolOptions;
  readonly #all = new Map<Connection, number>();
  readonly #idle: Connection[] = [];
  /** Connections of each source address. */
  readonly #addresses: number[];
  readonly #onFree: () => void;
  peak = 0;

  constructor(options: PoolOptions, onFree: () => void) {
    this.#options = options;
    this.#onFree = onFree;
    const { connectionsMax, connectionsPerAddressMax } = options;
    this.#addresses = new Array<number>(Math.ceil(connectionsMax / connectionsPerAddressMax)).fill(0);
  }

  /** An idle connection or a new one; undefined when all are busy. */
  take(): Connection | undefined {
    const last = this.#idle.pop();
    if (last === undefined) return this.fresh();
    if (performance.now() - last.idleSinceMs < idleMsMax) return last;
    // The one used last is too old, and so are all.
    for (const stale of [last, ...this.#idle.splice(0)]) stale.destroy('idle');
    return this.fresh();
  }

  /** A connection that nobody has used; undefined at the bound. */
  fresh(): Connection | undefined {
    const { connectionsMax, connectionsPerAddressMax, addressFrom, host, port } = this.#options;
    if (this.#all.size >= connectionsMax) return undefined;
    const address = this.#addresses.findIndex((count) => count < connectionsPerAddressMax);
    if (address < 0) return undefined;
    this.#addresses[address]! += 1;
    const connection = new Connection({
      host,
      port,
      localAddress: sourceAddress(host, addressFrom + address),
      onIdle: (idle) => {
        idle.idleSinceMs = performance.now();
        this.#idle.push(idle);
        this.#onFree();
      },
      onClosed: (closed) => this.#forget(closed),
    });
    this.#all.set(connection, address);
    this.peak = Math.max(this.peak, this.#all.size);
    return connection;
  }

  /** Those whose request was due before `dueMs` fail with `why`. */
  giveUp(dueMs: number, why: string): void {
    for (const connection of this.#all.keys()) {
      if (connection.busy && connection.dueMs < dueMs) connection.destroy(why);
    }
  }

  close(): void {
    for (const connection of [...this.#all.keys()]) connection.destroy('the run is over');
  }

  #forget(connection: Connection): void {
    const address = this.#all.get(connection);
    if (address === undefined) return;
    this.#all.delete(connection);
    this.#addresses[address]! -= 1;
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#onFree();
  }
}

/** Linux answers for all of 127.0.0.0/8; elsewhere there is one address and its bound holds for all. */
export function sourceAddress(host: string, index: number): string | undefined {
  if (process.platform !== 'linux' || host !== '127.0.0.1') return undefined;
  return `127.1.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`;
}
