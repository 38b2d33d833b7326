import type { Clock, HttpRequest, HttpResponse, Log, Metrics, Random } from '@ron/kernel';
import { corrIdOf } from '@ron/service';
import { countedBody } from './counted-body.ts';

/** How a request ended, in the words of `X-Cache`; `refused` is an answer of the cache itself. */
const outcomes = ['HIT', 'MISS', 'STALE', 'REVALIDATED', 'BYPASS', 'REFUSED'] as const;
export type Outcome = (typeof outcomes)[number];

/** An answer of the cache itself, and why. */
export interface Refused extends HttpResponse {
  readonly refused: string;
}

export interface CacheMeter {
  /** Called with each response; returns it. Seconds run from the parsed request to the head of its answer. */
  served(request: HttpRequest, response: HttpResponse, startedMs: number): HttpResponse;
  /** The origin was asked. */
  fetched(): void;
  /** The origin gave no answer. */
  failed(): void;
  readonly origin: { readonly fetches: number; readonly failures: number };
}

export interface CacheMeterOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly log?: Log | undefined;
  /** A line for each request, at `info`. */
  readonly accessLog?: boolean | undefined;
}

const service = 'edge';
type Op = 'read' | 'forward';

/** The golden metrics under the names that every service has; `code` is the outcome. No label is a path or a host. */
export function createCacheMeter(options: CacheMeterOptions): CacheMeter {
  const { clock, metrics, log } = options;
  const requests = metrics.counter('requests_total', 'Finished requests', ['service', 'op', 'code']);
  const latency = metrics.histogram('latency_seconds', 'From parsed request to the end of the reply', [
    'service',
    'op',
  ]);
  const bytesOut = metrics.counter('bytes_out_total', 'Body bytes sent', ['service']).labels({ service });
  const rejected = metrics.counter('rejected_total', 'Requests refused before their handler', ['service', 'reason']);
  const fetches = metrics.counter('edge_origin_fetches_total', 'Requests to the origin').labels();
  const failures = metrics.counter('edge_origin_failures_total', 'Requests that the origin did not answer').labels();
  const counters = (op: Op) => ({
    seconds: latency.labels({ service, op }),
    byOutcome: new Map(outcomes.map((word) => [word, requests.labels({ service, op, code: word.toLowerCase() })])),
  });
  const ops: Readonly<Record<Op, ReturnType<typeof counters>>> = {
    read: counters('read'),
    forward: counters('forward'),
  };
  const count = (bytes: number) => bytesOut.inc(bytes);
  return {
    served(request, response, startedMs) {
      const { method } = request;
      const { seconds, byOutcome } = method === 'GET' || method === 'HEAD' ? ops.read : ops.forward;
      const outcome = outcomeOf(response);
      const tookMs = clock.monotonicMs() - startedMs;
      byOutcome.get(outcome)?.inc();
      seconds.observe(tookMs / 1000);
      const refused = refusalOf(response);
      if (refused !== undefined) rejected.labels({ service, reason: refused }).inc();
      if (options.accessLog === true) {
        const corr_id = corrIdOf(request.headers['x-corr-id'], options);
        const { status } = response;
        log?.info({ corr_id, method, status, outcome, bytes: announced(response), ms: Math.round(tookMs) }, 'served');
      }
      return method === 'HEAD' ? response : measured(response, count);
    },
    fetched: () => fetches.inc(),
    failed: () => failures.inc(),
    origin: {
      get fetches() {
        return fetches.value;
      },
      get failures() {
        return failures.value;
      },
    },
  };
}

function outcomeOf(response: HttpResponse): Outcome {
  if ('refused' in response) return 'REFUSED';
  // Of verified objects, refusals and what needed no content say nothing.
  return (response.headers['x-cache'] as Outcome | undefined) ?? (response.status >= 400 ? 'REFUSED' : 'HIT');
}

function refusalOf(response: HttpResponse & Partial<Refused>): string | undefined {
  return response.refused;
}

function announced({ headers, body }: HttpResponse): number | undefined {
  const length = headers['content-length'];
  if (length !== undefined) return Number(length);
  return body instanceof Uint8Array ? body.byteLength : undefined;
}

/** Bytes count when they are announced, and otherwise as they pass. */
function measured(response: HttpResponse, count: (bytes: number) => void): HttpResponse {
  const { body } = response;
  if (body === undefined) return response;
  const length = announced(response);
  if (length !== undefined) {
    if (length > 0) count(length);
    return response;
  }
  return body instanceof Uint8Array ? response : { ...response, body: countedBody(body, count) };
}
