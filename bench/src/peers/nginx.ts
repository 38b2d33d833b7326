import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, start, until } from '../processes.ts';

export interface Nginx extends AsyncDisposable {
  readonly url: string;
  /** Files put here are served under `/`. */
  readonly root: string;
}

/** Files and WebDAV PUT under `/dav/`, without sync and without hashing. */
export async function startNginx(folder: string): Promise<Nginx> {
  const port = await freePort();
  const root = join(folder, 'root');
  await mkdir(join(root, 'dav'), { recursive: true });
  const url = `http://127.0.0.1:${port}`;
  const servers = `
  client_max_body_size 0;
  client_body_buffer_size 2m;
  server {
    listen 127.0.0.1:${port};
    root ${root};
    location /dav/ { dav_methods PUT; create_full_put_path on; }
  }`;
  const stop = await startNginxWith(folder, servers, url);
  return { url, root, [Symbol.asyncDispose]: stop };
}

/**
 * One worker at its best for these comparisons: sendfile on, `tcp_nopush off` (with it on, 64 KiB responses halve), open
 * file cache, no access log. `servers` goes into its `http` block; resolves with its stop when `url` answers.
 */
export async function startNginxWith(folder: string, servers: string, url: string): Promise<() => Promise<void>> {
  const tmp = join(folder, 'tmp');
  await mkdir(tmp, { recursive: true });
  const config = join(folder, 'nginx.conf');
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${tmp};`);
  await writeFile(
    config,
    `
daemon off;
user root;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush off;
  tcp_nodelay on;
  keepalive_requests 10000000;
  open_file_cache max=100000 inactive=60s;
  open_file_cache_valid 60s;
  default_type application/octet-stream;
  ${places.join(' ')}
  ${servers}
}
`,
  );
  const running = start('nginx', ['-p', folder, '-c', config]);
  await answering(url);
  return () => running[Symbol.asyncDispose]() as Promise<void>;
}

/** Resolves when something answers there, whatever it says. */
export function answering(url: string): Promise<void> {
  const answers = () =>
    fetch(url)
      .then((reply) => reply.arrayBuffer())
      .then(
        () => true,
        () => false,
      );
  return until(answers, `an answer from ${url}`);
}
