import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, start, until } from '../processes.ts';
import { answering, startNginxWith } from './nginx.ts';

/** A cache in front of an origin. */
export interface CacheProcess extends AsyncDisposable {
  readonly url: string;
  /** What it says about a response: whether it came from its store. Throws when it says nothing. */
  isHit(headers: Headers): boolean;
}

export interface OriginProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Files put here are served under `/`, each fresh for an hour. */
  readonly root: string;
}

/** nginx as it serves files best; the query of a URL means nothing to it. */
export async function startOrigin(folder: string): Promise<OriginProcess> {
  const root = join(folder, 'root');
  await mkdir(root, { recursive: true });
  const port = await freePort();
  const server = `server { listen 127.0.0.1:${port}; root ${root}; add_header Cache-Control max-age=3600; }`;
  const running = await startNginxWith(folder, server, `http://127.0.0.1:${port}`);
  return { url: `http://127.0.0.1:${port}`, port, root, [Symbol.asyncDispose]: running };
}

/**
 * `proxy_cache` at its best here: connections to the origin kept, no lock on a miss, written in place without a temporary
 * file. `store` is a folder, on tmpfs where there is one.
 */
export async function startNginxCache(folder: string, store: string, origin: OriginProcess): Promise<CacheProcess> {
  const port = await freePort();
  await mkdir(store, { recursive: true });
  const config = `
  proxy_cache_path ${store} keys_zone=hot:64m max_size=1g inactive=60m use_temp_path=off;
  upstream origin { server 127.0.0.1:${origin.port}; keepalive 64; keepalive_requests 10000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffers 32 64k;
      proxy_buffer_size 64k;
      proxy_busy_buffers_size 512k;
      proxy_cache hot;
      proxy_cache_valid 200 60m;
      add_header X-Cache-Status $upstream_cache_status;
    }
  }`;
  const stop = await startNginxWith(folder, config, `http://127.0.0.1:${port}`);
  const isHit = (headers: Headers) => said(headers, 'x-cache-status') === 'HIT';
  return { url: `http://127.0.0.1:${port}`, isHit, [Symbol.asyncDispose]: stop };
}

/** Varnish with its store in memory and its own defaults, threads included. */
export async function startVarnish(folder: string, origin: OriginProcess): Promise<CacheProcess> {
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  const vcl = join(folder, 'cache.vcl');
  await writeFile(
    vcl,
    `vcl 4.0;
backend origin { .host = "127.0.0.1"; .port = "${origin.port}"; }
sub vcl_deliver { set resp.http.X-Hits = obj.hits; }
`,
  );
  // It reads its configuration as whoever started it: the folder of a run is for nobody else.
  const place = ['-j', 'none', '-n', join(folder, 'work'), '-s', 'malloc,1g'];
  const running = start('varnishd', ['-F', '-f', vcl, '-a', `127.0.0.1:${port}`, ...place]);
  const url = `http://127.0.0.1:${port}`;
  await answering(url);
  return {
    url,
    isHit: (headers) => Number(said(headers, 'x-hits')) > 0,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

const ron = fileURLToPath(new URL('../../../apps/ron/bin/ron.js', import.meta.url));

/** `ron edge` as a user starts it, with metrics. */
export async function startRonEdge(origin: OriginProcess): Promise<CacheProcess & { readonly adminUrl: string }> {
  const listen = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--memory', '1G'];
  const running = start(process.execPath, [ron, 'edge', '--origin', origin.url, ...listen]);
  const printed = /^(http:\/\/\S+)\nadmin (http:\/\/\S+)\n/;
  await until(() => {
    if (running.child.exitCode !== null) throw new Error(`ron edge ended with ${running.child.exitCode}`);
    return printed.test(running.stdout());
  }, 'ron edge being ready');
  const [, url = '', adminUrl = ''] = printed.exec(running.stdout()) ?? [];
  return {
    url,
    adminUrl,
    isHit: (headers) => said(headers, 'x-cache') === 'HIT',
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

function said(headers: Headers, name: string): string {
  const value = headers.get(name);
  if (value === null) throw new Error(`the cache did not send ${name}`);
  return value;
}
