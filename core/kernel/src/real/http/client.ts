import type { LookupFunction } from 'node:net';
import type {
  HttpClient,
  HttpClientDeadlines,
  HttpClientRequest,
  HttpClientResponse,
  HttpOrigin,
} from '../../env/http-client.ts';
import { createRealClock } from '../clock.ts';
import { ClientExchange, type ExchangeOwner, StaleConnection } from './client-exchange.ts';
import { ClientPool } from './client-pool.ts';
import { createGuardedLookup } from './guarded-lookup.ts';
import { ProgressWatch } from './progress.ts';

export interface HttpClientOptions extends Partial<HttpClientDeadlines> {
  readonly origin: HttpOrigin;
  /** Connections at a time, 64 by default; more requests wait for a free one, within `connectMs`. */
  readonly connectionsMax?: number;
  /** Requests that wait for a free connection, 1,024 by default; one more fails with `EAGAIN` at once. */
  readonly waitingMax?: number;
  /** Connections kept idle, 32 by default. */
  readonly idleConnectionsMax?: number;
  /** An idle connection is closed after this, 4,000 by default: before most servers close it from their side. */
  readonly idleMs?: number;
  /** Of a response's header block, 64 KiB by default. */
  readonly headerBytesMax?: number;
  /** Bodies that come, or are taken, more slowly are cut off; 1,024 by default. */
  readonly progressBytesPerSecondMin?: number;
  /** How often progress is judged, over five of these; 2,000 by default. */
  readonly progressTickMs?: number;
  /**
   * Judges every address that the origin's name resolves to, for each connection anew; it connects to one that was let
   * through, or fails with `EACCES`. An origin that is written as an address is not asked about. All by default.
   */
  readonly allowAddress?: (address: string) => boolean;
}

const connectMsDefault = 5000;
const headerMsDefault = 30_000;

/**
 * A client of its own, since the one of Node keeps a stream, a parser and a dozen listeners for each message, which costs
 * more than all that a cache does with it. Strict about what it hears: origins are no friends either.
 */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  return new RealHttpClient(options);
}

class RealHttpClient implements HttpClient, ExchangeOwner {
  readonly origin: HttpOrigin;
  readonly pool: ClientPool;
  readonly watch: ProgressWatch;
  readonly deadlines: HttpClientDeadlines;
  readonly headerBytesMax: number;

  constructor(options: HttpClientOptions) {
    const { origin, allowAddress } = options;
    const lookup: LookupFunction | undefined =
      allowAddress === undefined ? undefined : createGuardedLookup(allowAddress);
    this.origin = origin;
    this.pool = new ClientPool({
      origin,
      lookup,
      connectionsMax: options.connectionsMax ?? 64,
      waitingMax: options.waitingMax ?? 1024,
      idleConnectionsMax: options.idleConnectionsMax ?? 32,
      idleMs: options.idleMs ?? 4000,
    });
    this.deadlines = {
      connectMs: options.connectMs ?? connectMsDefault,
      headerMs: options.headerMs ?? headerMsDefault,
    };
    this.headerBytesMax = options.headerBytesMax ?? 64 * 1024;
    this.watch = new ProgressWatch(
      createRealClock(),
      options.progressBytesPerSecondMin ?? 1024,
      options.progressTickMs ?? 2000,
    );
  }

  async request(request: HttpClientRequest): Promise<HttpClientResponse> {
    try {
      return await new ClientExchange(this, request, false).response;
    } catch (thrown) {
      // A kept connection may have been closed by the origin while the request was on its way: RFC 9110, 9.2.2 lets a
      // request be repeated when it is idempotent, and here nothing of a body can have been lost either.
      if (!(thrown instanceof StaleConnection)) throw thrown;
      if (request.body !== undefined || !idempotent.has(request.method)) throw thrown.cause;
    }
    return await new ClientExchange(this, request, true).response.catch((thrown: unknown) => {
      throw thrown instanceof StaleConnection ? thrown.cause : thrown;
    });
  }

  close(): void {
    this.pool.close();
  }
}

const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'PROPFIND', 'REPORT', 'SEARCH']);
