import type net from 'node:net';
import type { HttpServerLimits } from '../../env/http.ts';
import { Connection } from './connection.ts';
import type { ProgressWatch } from './progress.ts';
import { transferTurns } from './transfer-turns.ts';
import { loopTurns } from './turns.ts';

/** A connection that has been without a request for so long makes room for a newcomer, milliseconds. */
const unusedMs = 1000;

/** The open connections of one listener, and how many more may open. */
export class Connections implements Iterable<Connection> {
  readonly #limits: HttpServerLimits;
  readonly #watch: Pick<ProgressWatch, 'endSlowest'>;
  readonly #onDrained: (connection: Connection) => void;
  /** In the order of their coming. */
  readonly #open = new Set<Connection>();
  readonly #byAddress = new Map<string, number>();

  constructor(
    limits: HttpServerLimits,
    watch: Pick<ProgressWatch, 'endSlowest'>,
    onDrained: (connection: Connection) => void,
  ) {
    this.#limits = limits;
    this.#watch = watch;
    this.#onDrained = onDrained;
  }

  get size(): number {
    return this.#open.size;
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#open.values();
  }

  /** Undefined at a cap, when every connection that counts towards it is in use. */
  admit(socket: net.Socket): Connection | undefined {
    const connection = new Connection(socket, this.#onDrained);
    const { address } = connection;
    if (this.#crowded(address) && !this.#makeRoom(address)) return undefined;
    if (this.#open.size >= this.#limits.connectionsMax && !this.#makeRoom(undefined)) return undefined;
    this.#open.add(connection);
    loopTurns.connected();
    transferTurns.connected();
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
    connection.onClose(() => this.#forget(connection));
    socket.once('close', () => connection.close());
    return connection;
  }

  #crowded(address: string): boolean {
    const { connectionsPerAddressMax, speaksForMany } = this.#limits;
    if ((this.#byAddress.get(address) ?? 0) < connectionsPerAddressMax) return false;
    return address !== 'unix' && speaksForMany?.(address) !== true;
  }

  #forget(connection: Connection): void {
    if (!this.#open.delete(connection)) return;
    loopTurns.disconnected();
    const { address } = connection;
    const left = (this.#byAddress.get(address) as number) - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }

  /**
   * Ends the oldest connection that never brought a request; without one, the slowest transfer; without any, the
   * connection that has been idle longest. Who used its connection a moment ago keeps it, and who ever used it does for as
   * long as there are strangers who only connect: they must not drive out who works.
   */
  #makeRoom(address: string | undefined): boolean {
    let idlest: Connection | undefined;
    let unused: Connection | undefined;
    for (const connection of this.#open) {
      if (connection.pending > 0 || (address !== undefined && connection.address !== address)) continue;
      if (connection.isUnused) unused ??= connection;
      else if (idlest === undefined || connection.idleSinceMs < idlest.idleSinceMs) idlest = connection;
    }
    const isOld = (one: Connection) => one.idleSinceMs < performance.now() - unusedMs;
    if ((unused === undefined || !isOld(unused)) && address === undefined && this.#watch.endSlowest()) return true;
    const victim = unused ?? idlest;
    if (victim === undefined || !isOld(victim)) return false;
    victim.close();
    victim.wire.destroy();
    return true;
  }
}
