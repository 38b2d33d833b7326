import { encodeSlice, hashTree } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect as connectAnywhere } from '../connect.ts';
import { createFetchTransport } from '../fetch-transport.ts';
import { collect } from '../streams.ts';
import { FakePlatform } from '../testing/fake-platform.ts';
import { createHttpTransport } from './http-transport.ts';
import { type Deed, refusal, startUnrulyNode, type UnrulyRequest } from './testing/unruly-node.ts';

const groupBytes = 65_536;
const transports = [
  ['fetch', createFetchTransport],
  ['node:http', createHttpTransport],
] as const;

function bytesOf(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0, state = seed; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

function addressOf(bytes: Uint8Array): string {
  return addressFromHash(hashTree(bytes).root);
}

/** The slice that a node sends for the range of a request. */
async function sliceOf(bytes: Uint8Array, { headers }: Pick<UnrulyRequest, 'headers'>): Promise<Uint8Array> {
  const [, from = '0', to = ''] = /^bytes=([0-9]+)-([0-9]*)$/.exec(String(headers['range'])) ?? [];
  const start = Number(from);
  const end = to === '' ? bytes.byteLength : Number(to) + 1;
  const { outboard } = hashTree(bytes);
  const readGroup = (index: number) => bytes.subarray(index * groupBytes, (index + 1) * groupBytes);
  const size = bytes.byteLength;
  return collect(encodeSlice({ outboard, size, start, length: end - start, readGroup }));
}

function headOf(bytes: Uint8Array): Record<string, string> {
  return {
    'ron-size': String(bytes.byteLength),
    'ron-address': addressOf(bytes),
    'ron-name': 'a',
    'ron-name-version': '1',
  };
}

/** Sends the whole slice, or breaks it off after so many of its bytes. */
async function send(bytes: Uint8Array, request: UnrulyRequest, after = Number.POSITIVE_INFINITY): Promise<Deed> {
  const body = await sliceOf(bytes, request);
  const headers = headOf(bytes);
  return after < body.byteLength ? { reset: true, body, after, headers } : { status: 200, headers, body };
}

describe.each(transports)('a verified read whose answer breaks, over %s', (_name, createTransport) => {
  async function start(
    deedOf: (request: UnrulyRequest, index: number) => Deed | Promise<Deed>,
    onEnd: (close: () => void) => void = onTestFinished,
  ) {
    const platform = new FakePlatform();
    const node = await startUnrulyNode(onEnd, deedOf);
    const transport = createTransport(node.url, { capability: () => undefined });
    const client = connectAnywhere({ url: node.url, transport, platform });
    onEnd(() => void client[Symbol.asyncDispose]());
    return { node, client, platform };
  }

  test('goes on after the last verified byte, with one corr_id', async () => {
    const bytes = bytesOf(5 * groupBytes);
    const { client, node, platform } = await start((request, index) =>
      send(bytes, request, index === 0 ? 150_000 : undefined),
    );
    const reply = await client.blobs.get(addressOf(bytes));
    expect(Buffer.compare(await reply.bytes(), bytes)).toBe(0);
    expect(node.requests.map(({ headers }) => headers['range'])).toEqual([
      undefined,
      `bytes=131072-${bytes.byteLength - 1}`,
    ]);
    expect(new Set(node.requests.map(({ headers }) => headers['x-corr-id'])).size).toBe(1);
    expect(platform.waitsMs).toHaveLength(1);
  });

  test('any range of any object, broken anywhere, is whole or was refused', async () => {
    const wholes = [bytesOf(1), bytesOf(groupBytes), bytesOf(3 * groupBytes + 17)];
    const endings: (() => void)[] = [];
    let deeds: number[] = [];
    let whole = wholes[0]!;
    const deedOf = (request: UnrulyRequest) => send(whole, request, deeds.shift());
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const cuts = fc.array(fc.nat(250_000), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...wholes), share, share, cuts, async (bytes, from, to, cutAfter) => {
        const { client } = await start(deedOf, (end) => endings.push(end));
        whole = bytes;
        deeds = [...cutAfter];
        const start_ = Math.floor(from * (bytes.byteLength - 1));
        const end = start_ + 1 + Math.floor(to * (bytes.byteLength - 1 - start_));
        const seen: number[] = [];
        const onProgress = ({ doneBytes }: { doneBytes: number }) => void seen.push(doneBytes);
        const reply = await client.blobs.get(addressOf(bytes), { range: { start: start_, end }, onProgress });
        expect(Buffer.compare(await reply.bytes(), bytes.subarray(start_, end))).toBe(0);
        expect(seen).toEqual(seen.toSorted((a, b) => a - b));
        for (const close of endings.splice(0)) close();
      }),
      { numRuns: 40 },
    );
  });

  test('without a byte of progress five attempts are made', async () => {
    const bytes = bytesOf(3 * groupBytes);
    const { client, node, platform } = await start((request) => send(bytes, request, 10));
    const reply = await client.blobs.get(addressOf(bytes), { corrId: 'of-this-read' });
    await expect(reply.bytes()).rejects.toMatchObject({ code: 'unavailable', attempts: 5, corrId: 'of-this-read' });
    expect(node.requests).toHaveLength(5);
    expect(platform.waitsMs.map(Math.ceil)).toEqual([100, 200, 400, 800]);
  });

  test('after some progress five attempts are made too, and the first break counts', async () => {
    const bytes = bytesOf(3 * groupBytes);
    const { client, node } = await start((request, index) => send(bytes, request, index === 0 ? 100_000 : 10));
    const reply = await client.blobs.get(addressOf(bytes));
    await expect(reply.bytes()).rejects.toMatchObject({ code: 'unavailable', attempts: 5 });
    expect(node.requests).toHaveLength(5);
  });

  test('Retry-After of the node that comes back is kept to', async () => {
    const bytes = bytesOf(3 * groupBytes);
    const busy = refusal(503, 'unavailable', { 'retry-after': '7' });
    const { client, platform } = await start((request, index) =>
      index === 1 ? busy : send(bytes, request, index === 0 ? 100_000 : undefined),
    );
    await (await client.blobs.get(addressOf(bytes))).bytes();
    expect(platform.waitsMs.map(Math.ceil)).toEqual([100, 7_000]);
  });

  test('other bytes in the rest are refused, and none of them handed out', async () => {
    const bytes = bytesOf(4 * groupBytes);
    const others = bytesOf(4 * groupBytes, 2);
    const { client, node } = await start(async (request, index) =>
      index === 0
        ? send(bytes, request, 150_000)
        : { status: 200, headers: headOf(bytes), body: await sliceOf(others, request) },
    );
    const got: Uint8Array[] = [];
    const reading = (async () => {
      for await (const piece of (await client.blobs.get(addressOf(bytes))).stream) got.push(piece.slice());
    })();
    await expect(reading).rejects.toMatchObject({ code: 'integrity' });
    expect(Buffer.compare(Buffer.concat(got), bytes.subarray(0, 2 * groupBytes))).toBe(0);
    expect(node.requests).toHaveLength(2);
  });

  test('a name that moves on meanwhile: what was begun is finished by its address', async () => {
    const bytes = bytesOf(3 * groupBytes);
    const newer = bytesOf(3 * groupBytes, 2);
    const { client, node } = await start((request, index) =>
      index === 1 ? send(newer, request) : send(bytes, request, index === 0 ? 100_000 : undefined),
    );
    expect(Buffer.compare(await (await client.names.get('a')).bytes(), bytes)).toBe(0);
    expect(node.requests.map(({ target }) => target)).toEqual(['/n/a', '/n/a', `/o/${addressOf(bytes)}`]);
  });

  test('plain bytes are not pieced together: nothing would prove the seam', async () => {
    const bytes = bytesOf(3 * groupBytes);
    const { client, node } = await start(() => ({ reset: true, body: bytes, after: 100_000, headers: headOf(bytes) }));
    const reply = await client.blobs.get(addressOf(bytes), { verify: false });
    await expect(reply.bytes()).rejects.toMatchObject({ code: 'unavailable' });
    expect(node.requests).toHaveLength(1);
  });

  test('a signal ends the pause before the rest is asked for', async () => {
    const bytes = bytesOf(3 * groupBytes);
    const stop = new AbortController();
    const { client, node, platform } = await start((request) => send(bytes, request, 100_000));
    platform.after = () => {
      queueMicrotask(() => stop.abort());
      return { cancel: () => undefined };
    };
    const reply = await client.blobs.get(addressOf(bytes), { signal: stop.signal });
    await expect(reply.bytes()).rejects.toMatchObject({ message: 'the call was ended by its caller' });
    expect(node.requests).toHaveLength(1);
  });
});
