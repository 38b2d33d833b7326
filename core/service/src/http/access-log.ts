import type { Clock, HttpRequest, HttpResponse, Log, Timer } from '@ron/kernel';
import { ResidentBody } from '@ron/proto/stream';
import { abandoned, MeasuredBody } from '../bodies.ts';

/** `errors`: answers of 500 and above, and those that broke off. */
export type AccessLogMode = 'off' | 'errors' | 'all';

export interface AccessLogOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly mode: () => AccessLogMode;
  /** Shows paths, which can name objects and people, and never their queries. Off by default: the route's pattern alone. */
  readonly showPaths?: boolean;
  /** Lines a second, 1,000 by default; what comes beyond is counted in one line a second. */
  readonly linesPerSecondMax?: number;
}

/** What a binding finds out about a request on its way. */
export interface Seen {
  corrId: string;
  route: string;
  remote: string;
  bytesIn: number;
  capabilityId: string | undefined;
  /** The gate that let no more in: such answers are counted, not listed. */
  shedBy: string | undefined;
  /** A subscription: it has no end of its own, and a client that leaves breaks nothing off. */
  endless: boolean;
}

/** One line for each answer, within a bound. No token, query or payload is ever on it. */
export interface AccessLog {
  readonly mode: () => AccessLogMode;
  /** The response that leaves instead: its end is what the line waits for. */
  follow(request: HttpRequest, seen: Seen, response: HttpResponse, startMs: number): HttpResponse;
  /** Lists what has only been counted so far. */
  flush(): void;
}

const summaryMs = 1_000;
/** Names of gates come from a fixed set; this is its bound here. */
const gatesMax = 16;

export function createAccessLog(options: AccessLogOptions): AccessLog {
  return new Lines(options);
}

class Lines implements AccessLog {
  readonly mode: () => AccessLogMode;
  readonly #options: AccessLogOptions;
  readonly #linesMax: number;
  #lines = 0;
  #fromMs = Number.NEGATIVE_INFINITY;
  readonly #shed = new Map<string, number>();
  /** By the first digit of the status. */
  readonly #unlisted = new Map<string, number>();
  #timer: Timer | undefined;

  constructor(options: AccessLogOptions) {
    this.#options = options;
    this.#linesMax = options.linesPerSecondMax ?? 1_000;
    this.mode = options.mode;
  }

  follow(request: HttpRequest, seen: Seen, response: HttpResponse, startMs: number): HttpResponse {
    const { body, status } = response;
    if (body === undefined || body instanceof Uint8Array || body instanceof ResidentBody || request.method === 'HEAD') {
      const whole = body === undefined ? 0 : body instanceof Uint8Array ? body.byteLength : byteLengthOf(body);
      this.#note(request, seen, status, request.method === 'HEAD' ? 0 : whole, startMs, true);
      return response;
    }
    let sent = 0;
    const measured = new MeasuredBody(
      body,
      (bytes) => {
        sent += bytes;
      },
      (outcome) => {
        const isWhole = outcome === undefined || (seen.endless && outcome === abandoned);
        this.#note(request, seen, status, sent, startMs, isWhole);
      },
    );
    return { ...response, body: measured };
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#shed.size === 0 && this.#unlisted.size === 0) return;
    const shed = Object.fromEntries(this.#shed);
    const unlisted = Object.fromEntries(this.#unlisted);
    this.#shed.clear();
    this.#unlisted.clear();
    this.#options.log.warn({ shed, unlisted }, 'requests that have no line of their own');
  }

  #note(request: HttpRequest, seen: Seen, status: number, bytesOut: number, startMs: number, whole: boolean): void {
    const mode = this.mode();
    const isError = status >= 500 || !whole;
    if (mode === 'off' || (mode === 'errors' && !isError)) return;
    const { clock, log, showPaths } = this.#options;
    const nowMs = clock.monotonicMs();
    if (seen.shedBy !== undefined) {
      this.#count(this.#shed, this.#shed.has(seen.shedBy) || this.#shed.size < gatesMax ? seen.shedBy : 'others');
      return;
    }
    if (!this.#hasLine(nowMs)) {
      this.#count(this.#unlisted, `${Math.floor(status / 100)}xx`);
      return;
    }
    const fields = {
      method: request.method.slice(0, 32),
      route: seen.route,
      ...(showPaths === true ? { path: request.target.split('?', 1)[0]!.slice(0, 256) } : {}),
      status,
      ...(whole ? {} : { broke_off: true }),
      bytes_in: seen.bytesIn,
      bytes_out: bytesOut,
      ms: Math.round((nowMs - startMs) * 10) / 10,
      corr_id: seen.corrId,
      remote: seen.remote,
      http: request.version,
      capability_id: seen.capabilityId,
    };
    if (isError) log.warn(fields, 'answered');
    else log.info(fields, 'answered');
  }

  #hasLine(nowMs: number): boolean {
    if (nowMs - this.#fromMs >= 1_000) {
      this.#fromMs = nowMs;
      this.#lines = 0;
    }
    if (this.#lines >= this.#linesMax) return false;
    this.#lines++;
    return true;
  }

  #count(counts: Map<string, number>, name: string): void {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    this.#timer ??= this.#options.clock.after(summaryMs, () => this.flush());
  }
}

function byteLengthOf(body: HttpResponse['body']): number {
  return body instanceof ResidentBody ? body.bytes.byteLength : 0;
}
