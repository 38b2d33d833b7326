import type { HttpHandler, HttpRequest, HttpResponse } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { corrIdOf, type OpsEndpoints, readWhole } from '@ron/service';
import type { HttpCache } from '../http-cache.ts';
import { parsePurge, parseWarm } from './admin-requests.ts';

/** Of a request's JSON: 1,000 long URLs. */
export const adminBytesMax = 10 * 1024 * 1024;

export interface AdminOptions {
  readonly cache: Pick<HttpCache, 'purge' | 'warm' | 'usage'>;
  /** `/healthz`, `/readyz`, `/version`, `/metrics`. */
  readonly ops: OpsEndpoints;
  readonly env: Parameters<typeof corrIdOf>[1];
}

/**
 * What the operator of a cache may do: `POST /purge`, `POST /warm`, `GET /usage`, and the operations endpoints. For a
 * listener of its own on loopback or a Unix socket: whoever reaches it may use it. A web page in a browser on the same
 * machine may not: its requests name another host, or are not JSON.
 */
export function createAdminHandler(options: AdminOptions): HttpHandler {
  return async (request) => {
    const corrId = corrIdOf(request.headers['x-corr-id'], options.env);
    try {
      return await answer(options, request);
    } catch (thrown) {
      const error = thrown instanceof RonError ? thrown : new RonError('internal', 'the request failed');
      return json(error.httpStatus, error.toEnvelope(corrId), { 'x-corr-id': corrId });
    }
  };
}

async function answer({ cache, ops }: AdminOptions, request: HttpRequest): Promise<HttpResponse> {
  if (!isOwnHost(request)) throw new RonError('forbidden', 'name this machine by localhost or a loopback address');
  const told = ops(request);
  if (told !== undefined) return told;
  const path = request.target.split('?', 1)[0];
  switch (`${request.method} ${path}`) {
    case 'GET /usage':
      return json(200, cache.usage);
    case 'POST /purge':
      return json(200, { purged: cache.purge(parsePurge(await readJson(request))) });
    case 'POST /warm': {
      const { urls, headers } = parseWarm(await readJson(request));
      return json(200, await cache.warm(urls, headers));
    }
    default:
      throw new RonError(
        'not_found',
        'there are POST /purge, POST /warm, GET /usage, /metrics, /healthz, /readyz, /version',
      );
  }
}

/** A page of another site reaches loopback under its own name only (DNS rebinding). A Unix socket is beyond any page. */
function isOwnHost({ remote, headers }: HttpRequest): boolean {
  if (remote === 'unix') return true;
  const host = (headers['host'] ?? '').replace(/:\d+$/, '').toLowerCase();
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

async function readJson(request: HttpRequest): Promise<unknown> {
  // Of the types that a page may send to another site without being asked, none is this one.
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw new RonError('unsupported_media_type', 'send application/json');
  const bytes = await readWhole(request.body, adminBytesMax);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new RonError('bad_request', 'this is no JSON', { cause });
  }
}

function json(status: number, value: unknown, more: Record<string, string> = {}): HttpResponse {
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...more,
  };
  return { status, headers, body: new TextEncoder().encode(JSON.stringify(value)) };
}
