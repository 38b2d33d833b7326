import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { hashTree } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import { sampleBytes } from '../support/sample-bytes.ts';
import type { Behind } from './attack.ts';

/** What every page of the origin is made of. */
export const pageOf = (target: string) => `page of ${target}`;
/** Asked for by nobody but an edge that follows where an origin points. */
export const forbidden = '/internal/secret';
const largeBytes = 1_048_576;
const slowMs = 300;
const objectGroups = 4;
const groupBytes = 65_536;

/** An object of four groups, and its proof. */
const objectBytes = sampleBytes(objectGroups * groupBytes, 41);
const { root, outboard } = hashTree(objectBytes);
export const objectAddress = addressFromHash(root);
/** Whether these are bytes of the object, from `first` on. */
export function isOfObject(bytes: Uint8Array, first = 0): boolean {
  return Buffer.compare(bytes, objectBytes.subarray(first, first + bytes.byteLength)) === 0;
}
export const isWholeObject = (bytes: Uint8Array) => bytes.byteLength === objectBytes.byteLength && isOfObject(bytes);

/** How the origin lies about the object; each lie is told for as long as `lie.now` says so. */
export const lies = [
  'a byte of the first group',
  'a byte of the last group',
  'the end',
  'the size',
  'the outboard',
  'all',
] as const;
export const lie: { now: (typeof lies)[number] | undefined } = { now: undefined };

function sendObject(request: http.IncomingMessage, response: http.ServerResponse): void {
  const isOutboard = request.url!.includes('.outboard');
  const bytes = Buffer.from(isOutboard ? outboard : objectBytes);
  if (lie.now === 'all') bytes.fill(0x6c, isOutboard ? 8 : 0);
  if (lie.now === 'the outboard' && isOutboard) bytes[bytes.length - 1]! ^= 1;
  if (lie.now === 'a byte of the first group' && !isOutboard) bytes[100]! ^= 1;
  if (lie.now === 'a byte of the last group' && !isOutboard) bytes[bytes.length - 1]! ^= 1;
  const size = lie.now === 'the size' && !isOutboard ? bytes.length - 1 : bytes.length;
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  const first = Number(from ?? 0);
  const last = Math.min(Number(to ?? size - 1), size - 1);
  response.setHeader('cache-control', 'public, max-age=31536000, immutable');
  response.setHeader('content-length', last - first + 1);
  response.writeHead(
    from === undefined ? 200 : 206,
    from === undefined ? {} : { 'content-range': `bytes ${first}-${last}/${size}` },
  );
  const part = bytes.subarray(first, last + 1);
  if (lie.now !== 'the end' || isOutboard) return void response.end(part);
  response.write(part.subarray(0, part.length - 1));
  setTimeout(() => request.socket.destroy(), 20);
}

/** An origin behind an edge: caches may keep what it says, and some of what it says is meant to lead them astray. */
export async function startOrigin(): Promise<Behind & { readonly asked: Map<string, number> }> {
  const asked = new Map<string, number>();
  const server = http.createServer((request, response) => {
    const target = request.url ?? '';
    const key = `${request.method} ${target} ${request.headers.host}`;
    asked.set(key, (asked.get(key) ?? 0) + 1);
    const { port } = server.address() as AddressInfo;
    response.setHeader('cache-control', 'max-age=600');
    if (target.toLowerCase().includes(objectAddress.slice('b3:'.length))) sendObject(request, response);
    else if (target.startsWith('/large')) setTimeout(() => response.end(Buffer.alloc(largeBytes, 0x6c)), slowMs);
    else if (target.startsWith('/redirect')) {
      response.writeHead(302, { location: `http://127.0.0.1:${port}${forbidden}` }).end();
    } else if (target.startsWith('/reflect')) {
      // As frameworks do that believe a header about where they are.
      const host = request.headers['x-forwarded-host'] ?? request.headers['x-host'] ?? 'nobody';
      response.setHeader('vary', 'x-forwarded-host, x-host, x-original-url');
      response.end(`<script src="//${String(host)}/a.js"></script>${request.headers['x-original-url'] ?? ''}`);
    } else if (target.startsWith('/lies-short')) {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('x'.repeat(100));
      setTimeout(() => request.socket.destroy(), 20);
    } else if (target.startsWith('/private')) {
      response.setHeader('cache-control', 'private, max-age=600');
      response.end(`for ${request.headers.authorization ?? request.headers.cookie ?? 'nobody'}`);
    } else response.end(pageOf(target));
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
