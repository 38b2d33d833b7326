import type { HttpRequest, HttpResponse } from '@ron/kernel';
import type { Gate } from './define.ts';
import { jsonResponse } from './http/response.ts';

/** Answers the operations endpoints; undefined for every other request. */
export type OpsEndpoints = (request: HttpRequest) => HttpResponse | Promise<HttpResponse> | undefined;

export interface OpsSource {
  uptimeMs(): number;
  gates(): readonly Gate[];
  exposition(): Promise<string>;
  version(): object;
  openApi(): object;
}

const encoder = new TextEncoder();

export const opsMethods: readonly string[] = ['GET', 'HEAD'];
const paths: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/version', '/openapi.json', '/metrics']);

/** Whether the path is one of the operations endpoints, whatever the method. */
export function isOpsTarget(target: string): boolean {
  return paths.has(target.split('?', 1)[0]!);
}

/**
 * `/healthz` says that the process answers, `/readyz` whether it should get traffic and which gate says otherwise.
 * They need no capability: they tell nothing of what is stored.
 */
export function createOpsEndpoints(source: OpsSource): OpsEndpoints {
  return (request) => {
    const target = request.target;
    // Every hot request passes here: two comparisons let almost all of them go on.
    if (target.length > 32 || !opsMethods.includes(request.method)) return undefined;
    const path = target.split('?', 1)[0]!;
    return answer(source, path);
  };
}

function answer(source: OpsSource, path: string): HttpResponse | Promise<HttpResponse> | undefined {
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
    case '/openapi.json':
      return jsonResponse(200, source.openApi(), uncached());
    case '/metrics':
      return source.exposition().then((text) => ({
        status: 200,
        headers: {
          'content-type': 'text/plain; version=0.0.4; charset=utf-8',
          'x-content-type-options': 'nosniff',
          ...uncached(),
        },
        body: encoder.encode(text),
      }));
    default:
      return undefined;
  }
}

function uncached(): Record<string, string | number> {
  return { 'cache-control': 'no-store' };
}
