import type { LookupFunction } from 'node:net';
import type { HttpOrigin } from '../../env/http-client.ts';
import { SystemError } from '../../env/system-error.ts';
import { ClientConnection, type ConnectionUser } from './client-connection.ts';

/** Who waits for a connection. */
export interface PoolUser extends ConnectionUser {
  /** Once; the connection may still be on its way. */
  given(connection: ClientConnection): void;
}

export interface PoolOptions {
  readonly origin: HttpOrigin;
  readonly lookup: LookupFunction | undefined;
  readonly connectionsMax: number;
  readonly waitingMax: number;
  readonly idleConnectionsMax: number;
  readonly idleMs: number;
}

/** The connections to one origin. */
export class ClientPool {
  readonly #options: PoolOptions;
  /** Used last = at the end, and used again first. */
  readonly #idle: ClientConnection[] = [];
  readonly #open = new Set<ClientConnection>();
  /** In the order of their coming. */
  readonly #waiting = new Set<PoolUser>();
  #sweeper: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** `fresh`: not one that was used before, as far as there is room for another. Throws `EAGAIN` when too many wait. */
  take(user: PoolUser, fresh: boolean): void {
    if (this.#closed) throw new SystemError('ECANCELED', 'the client is closed');
    if (fresh) this.#dropIdle();
    const idle = this.#takeIdle();
    if (idle !== undefined) hand(idle, user);
    else if (this.#open.size < this.#options.connectionsMax) this.#connect(user);
    else if (this.#waiting.size < this.#options.waitingMax) this.#waiting.add(user);
    else throw new SystemError('EAGAIN', 'too many requests wait for a connection');
  }

  /** Who gave up waiting. */
  forget(user: PoolUser): void {
    this.#waiting.delete(user);
  }

  /** The exchange is over and the connection clean. `idleMs`: for how long the origin keeps it, if it said so. */
  giveBack(connection: ClientConnection, idleMs: number | undefined): void {
    connection.leave();
    const [next] = this.#waiting;
    if (next !== undefined && connection.isUsable) {
      this.#waiting.delete(next);
      hand(connection, next);
      return;
    }
    const keptMs = Math.min(this.#options.idleMs, idleMs ?? Number.POSITIVE_INFINITY);
    const full = this.#idle.length >= this.#options.idleConnectionsMax;
    if (this.#closed || full || keptMs <= 0 || !connection.isUsable) {
      connection.destroy();
      return;
    }
    connection.idleUntilMs = performance.now() + keptMs;
    this.#idle.push(connection);
    this.#sweeper ??= setTimeout(() => this.#sweep(), this.#options.idleMs).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#sweeper);
    this.#dropIdle();
    for (const user of this.#waiting) user.failed(new SystemError('ECANCELED', 'the client was closed'));
    this.#waiting.clear();
  }

  #takeIdle(): ClientConnection | undefined {
    const nowMs = performance.now();
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return undefined;
      if (connection.isUsable && connection.idleUntilMs > nowMs) return connection;
      connection.destroy();
    }
  }

  #connect(user: PoolUser): void {
    const { origin, lookup } = this.#options;
    const connection = new ClientConnection(origin, lookup, (gone) => this.#gone(gone));
    this.#open.add(connection);
    hand(connection, user);
  }

  #gone(connection: ClientConnection): void {
    this.#open.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    const [next] = this.#waiting;
    if (next === undefined || this.#open.size >= this.#options.connectionsMax) return;
    this.#waiting.delete(next);
    this.#connect(next);
  }

  #dropIdle(): void {
    for (const connection of this.#idle.splice(0)) {
      this.#open.delete(connection);
      connection.destroy();
    }
  }

  #sweep(): void {
    this.#sweeper = undefined;
    const nowMs = performance.now();
    for (const connection of [...this.#idle]) if (connection.idleUntilMs <= nowMs) connection.destroy();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const connection of this.#idle) nextMs = Math.min(nextMs, connection.idleUntilMs - nowMs);
    if (nextMs < Number.POSITIVE_INFINITY)
      this.#sweeper = setTimeout(() => this.#sweep(), Math.max(10, nextMs)).unref();
  }
}

function hand(connection: ClientConnection, user: PoolUser): void {
  connection.take(user);
  user.given(connection);
  if (connection.isConnected) user.connected();
}
