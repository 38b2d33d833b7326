import assert from 'node:assert/strict';
import { Agent, get, type IncomingHttpHeaders } from 'node:http';
import type { BundleEntry } from '@ron/app-sdk';
import { hash } from '@ron/b3';
import { addressFromHash } from '@ron/naming';

export const readers = 32;

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Loaded {
  readonly timesMs: readonly number[];
  readonly bytes: number;
  readonly seconds: number;
  /** How often each value of `x-cache` came. */
  readonly xCache: ReadonlyMap<string, number>;
}

/** Every entry once, by 32 readers at a time; each reply is checked against the manifest, to the last byte. */
export async function loadAll(site: string, entries: readonly BundleEntry[]): Promise<Loaded> {
  using agent = new Readers();
  const timesMs: number[] = [];
  const xCache = new Map<string, number>();
  let bytes = 0;
  const queue = entries.values();
  const read = async () => {
    for (const entry of queue) {
      const sent = performance.now();
      const reply = await agent.get(`${site}${entry.path}`);
      timesMs.push(performance.now() - sent);
      check(reply, entry);
      bytes += reply.body.byteLength;
      const [said = 'none'] = String(reply.headers['x-cache'] ?? 'none').split(/[ ;,]/);
      xCache.set(said, (xCache.get(said) ?? 0) + 1);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: readers }, read));
  return { timesMs, bytes, seconds: (performance.now() - began) / 1_000, xCache };
}

function check({ status, headers, body }: Reply, { path, address, size, mime }: BundleEntry): void {
  assert.equal(status, 200, path);
  assert.equal(body.byteLength, size, path);
  assert.equal(addressFromHash(hash(body)), address, path);
  assert.equal(headers['content-type'], mime, path);
  assert.equal(headers['content-type'], 'image/png', path);
  assert.match(headers['etag'] ?? '', /^"/, path);
  assert.equal(headers['cache-control'], 'public, max-age=300, must-revalidate', path);
}

/** Keeps its connections for the next request, as browsers do. */
class Readers implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: readers });

  get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const request = get(url, { agent: this.#agent, headers }, async (message) => {
        const pieces: Buffer[] = [];
        try {
          for await (const piece of message) pieces.push(piece);
          resolve({ status: message.statusCode!, headers: message.headers, body: Buffer.concat(pieces) });
        } catch (error) {
          reject(error);
        }
      });
      request.on('error', reject);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** What browsers and caches rely on, of one tile: validators, ranges, and plain refusals. */
export async function checkOneTile(site: string, { path, size, address }: BundleEntry): Promise<void> {
  using agent = new Readers();
  const url = site + path;
  const whole = await agent.get(url);
  const etag = whole.headers['etag']!;
  assert.ok(etag.includes(address.slice(3, 19)), 'the entity tag names the content');
  const same = await agent.get(url, { 'if-none-match': etag });
  assert.deepEqual([same.status, same.body.byteLength, same.headers['etag']], [304, 0, etag]);
  assert.equal((await agent.get(url, { 'if-none-match': '"other"' })).status, 200);
  const part = await agent.get(url, { range: 'bytes=8-23' });
  assert.deepEqual([part.status, part.headers['content-range']], [206, `bytes 8-23/${size}`]);
  assert.deepEqual(part.body, whole.body.subarray(8, 24));
  const last = await agent.get(url, { range: 'bytes=-12' });
  assert.deepEqual(last.body.toString('latin1', 4, 8), 'IEND');
  assert.equal((await agent.get(url, { range: `bytes=${size}-` })).status, 416);
  assert.equal((await agent.get(`${site}tiles/0/0/1.png`)).status, 404);
}
