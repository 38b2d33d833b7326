import type { HttpRequest, HttpResponse } from '@ron/kernel';
import type { Gate } from './define.ts';
import { jsonResponse } from './http/response.ts';

/** Answers the operations endpoints; undefined for every other request. */
export type OpsEndpoints = (request: HttpRequest) => HttpResponse | Promise<HttpResponse> | undefined;

export interface OpsSource {
  /** Milliseconds since the start; never goes back. */
  uptimeMs(): number;
  gates(): readonly Gate[];
  exposition(): Promise<string>;
  /** How often a second the exposition is made anew at most; who asks more often gets the last text. Default 4. */
  readonly metricsPerSecond?: () => number;
  version(): object;
  /** The same each time: asked once, with the first request for it. */
  openApi(): object;
}

const encoder = new TextEncoder();

/** How often a second `/metrics` is made anew, and twice as often at once after a pause. */
const metricsPerSecondDefault = 4;

export const opsMethods: readonly string[] = ['GET', 'HEAD'];
const paths: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/version', '/openapi.json', '/metrics']);

/** Whether the path is one of the operations endpoints, whatever the method. */
export function isOpsTarget(target: string): boolean {
  return paths.has(target.split('?', 1)[0]!);
}

/** What asks only whether the process lives and is ready: it costs nothing, and is answered ahead of all else. */
export function isProbe(target: string): boolean {
  return target === '/healthz' || target === '/readyz';
}

/**
 * `/healthz` says that the process answers, `/readyz` whether it should get traffic and which gate says otherwise.
 * They need no capability: they tell nothing of what is stored.
 */
export function createOpsEndpoints(source: OpsSource): OpsEndpoints {
  const metrics = freshMetrics(source);
  // A quarter of a MiB of text, for which anybody may ask.
  let openApi: Uint8Array | undefined;
  return (request) => {
    const target = request.target;
    // Every hot request passes here: two comparisons let almost all of them go on.
    if (target.length > 32 || !opsMethods.includes(request.method)) return undefined;
    const path = target.split('?', 1)[0]!;
    if (path === '/metrics') return metrics();
    if (path !== '/openapi.json') return answer(source, path);
    openApi ??= encoder.encode(JSON.stringify(source.openApi()));
    return { status: 200, headers: typed('application/json'), body: openApi };
  };
}

/**
 * Making the text takes milliseconds, in which nobody else is served, and anybody may ask. So it is made a bounded number
 * of times; a text that is given again is no older than the time of one turn, by default a quarter of a second.
 */
function freshMetrics(source: OpsSource): () => Promise<HttpResponse> {
  let tokens = Number.POSITIVE_INFINITY;
  let atMs = 0;
  let body: Promise<Uint8Array> | undefined;
  return async () => {
    const nowMs = source.uptimeMs();
    const perSecond = source.metricsPerSecond?.() ?? metricsPerSecondDefault;
    tokens = Math.min(2 * perSecond, tokens + ((nowMs - atMs) * perSecond) / 1_000);
    atMs = nowMs;
    if (body === undefined || tokens >= 1) {
      tokens -= 1;
      body = source.exposition().then((text) => encoder.encode(text));
    }
    return {
      status: 200,
      headers: typed('text/plain; version=0.0.4; charset=utf-8'),
      body: await body,
    };
  };
}

function answer(source: OpsSource, path: string): HttpResponse | undefined {
  switch (path) {
    case '/healthz':
      return jsonResponse(200, { ok: true, uptime_ms: Math.round(source.uptimeMs()) }, uncached());
    case '/readyz': {
      const gates = source.gates();
      const ready = gates.every((gate) => gate.ok);
      return jsonResponse(ready ? 200 : 503, { ready, gates }, uncached());
    }
    case '/version':
      return jsonResponse(200, source.version(), uncached());
    default:
      return undefined;
  }
}

function typed(contentType: string): Record<string, string | number> {
  return { 'content-type': contentType, 'x-content-type-options': 'nosniff', ...uncached() };
}

function uncached(): Record<string, string | number> {
  return { 'cache-control': 'no-store' };
}
