import type { Env, Log, Metrics } from '@ron/kernel';
import { type HelloIdentity, limits } from '@ron/oap';
import { RonError } from '@ron/proto/errors';
import type { NodeId } from '@ron/proto/network';
import type { NodeConnection } from '../node-transport.ts';
import type { ServedContract } from './network-handlers.ts';
import { ServerConnection } from './server-connection.ts';

/** Calls of one node that run at once: as many as one connection has streams, on however many it has. */
export const callsPerNodeMax = limits.streamsPerConnectionMax;

export interface NodeServerOptions {
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly identity: HelloIdentity;
  /** Each under the app id of its contract. */
  readonly contracts: readonly ServedContract[];
}

/** Answers other nodes over OAP/1. Its `accept` is for `NodeTransport.listen`. */
export interface NodeServer extends AsyncDisposable {
  [Symbol.asyncDispose](): Promise<void>;
  accept(connection: NodeConnection): void;
  /** Ends every connection of a node: it is banned, say. */
  drop(nodeId: NodeId): void;
  readonly connections: number;
  readonly callsRunning: number;
}

export function createNodeServer(options: NodeServerOptions): NodeServer {
  return new Server(options);
}

class Server implements NodeServer {
  readonly #options: NodeServerOptions;
  readonly #byApp: ReadonlyMap<number, ServedContract>;
  /** Bounded by the transport's caps on accepted connections. */
  readonly #connections = new Set<ServerConnection>();
  readonly #callsByNode = new Map<NodeId, number>();
  readonly #count: (operation: string, code: string) => void;
  #callsRunning = 0;
  #over = false;

  constructor(options: NodeServerOptions) {
    this.#options = options;
    this.#byApp = new Map(options.contracts.map((served) => [served.contract.app, served]));
    const calls = options.metrics.counter('node_calls_total', 'Calls of other nodes', ['operation', 'code']);
    this.#count = (operation, code) => calls.labels({ operation, code }).inc();
  }

  get connections(): number {
    return this.#connections.size;
  }

  get callsRunning(): number {
    return this.#callsRunning;
  }

  accept(connection: NodeConnection): void {
    if (this.#over) {
      connection.duplex.destroy();
      return;
    }
    const { env, log, identity } = this.#options;
    const served = new ServerConnection(connection, {
      env,
      log,
      identity,
      byApp: this.#byApp,
      begin: () => this.#begin(connection.nodeId),
      finished: () => this.#finished(connection.nodeId),
      count: this.#count,
      closed: () => this.#connections.delete(served),
    });
    this.#connections.add(served);
    served.start();
  }

  drop(nodeId: NodeId): void {
    for (const connection of [...this.#connections]) if (connection.nodeId === nodeId) connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    for (const connection of [...this.#connections]) connection.close();
  }

  /** Counts one more call of the node, or says why it has to wait. */
  #begin(nodeId: NodeId): RonError | undefined {
    const ofNode = this.#callsByNode.get(nodeId) ?? 0;
    const gate =
      this.#callsRunning >= limits.requestsInFlightMax ? 'calls' : ofNode >= callsPerNodeMax ? 'node_calls' : undefined;
    if (gate !== undefined) {
      return new RonError('unavailable', 'too many calls run at once', { retryAfterMs: 250, details: { gate } });
    }
    this.#callsRunning += 1;
    this.#callsByNode.set(nodeId, ofNode + 1);
    return undefined;
  }

  #finished(nodeId: NodeId): void {
    this.#callsRunning -= 1;
    const left = (this.#callsByNode.get(nodeId) ?? 1) - 1;
    if (left === 0) this.#callsByNode.delete(nodeId);
    else this.#callsByNode.set(nodeId, left);
  }
}
