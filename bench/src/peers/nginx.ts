import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, type Running, start, until } from '../processes.ts';

export interface Nginx extends AsyncDisposable {
  readonly url: string;
  /** Files put here are served under `/`. */
  readonly root: string;
}

/**
 * One worker at its best for this comparison: sendfile on, `tcp_nopush off` (with it on, 64 KiB responses halve), open
 * file cache, no access log; WebDAV PUT under `/dav/`, without sync and without hashing.
 */
export async function startNginx(folder: string): Promise<Nginx> {
  const port = await freePort();
  const root = join(folder, 'root');
  await mkdir(join(root, 'dav'), { recursive: true });
  await mkdir(join(folder, 'tmp'), { recursive: true });
  const config = join(folder, 'nginx.conf');
  await writeFile(config, configText(folder, root, port));
  const running: Running = start('nginx', ['-p', folder, '-c', config]);
  const url = `http://127.0.0.1:${port}`;
  await until(
    () =>
      fetch(url)
        .then((reply) => reply.arrayBuffer())
        .then(
          () => true,
          () => false,
        ),
    'nginx answering',
  );
  return { url, root, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}

function configText(folder: string, root: string, port: number): string {
  return `
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
  open_file_cache max=10000 inactive=60s;
  open_file_cache_valid 60s;
  client_max_body_size 0;
  client_body_buffer_size 2m;
  client_body_temp_path ${folder}/tmp;
  proxy_temp_path ${folder}/tmp; fastcgi_temp_path ${folder}/tmp; uwsgi_temp_path ${folder}/tmp; scgi_temp_path ${folder}/tmp;
  default_type application/octet-stream;
  server {
    listen 127.0.0.1:${port};
    root ${root};
    location /dav/ { dav_methods PUT; create_full_put_path on; }
  }
}
`;
}
