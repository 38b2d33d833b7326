import { RonError } from '@ron/proto/errors';
import { expect, test } from 'vitest';
import { Caller } from './caller.ts';
import type { ReadableSource } from './client.ts';
import { FakePlatform } from './testing/fake-platform.ts';
import type { Transport, TransportRequest } from './transport.ts';
import { resumableUpload } from './upload.ts';

const size = 1_000_000;
const bytes = new Uint8Array(size).map((_, index) => index % 251);
const source: ReadableSource = {
  sizeBytes: size,
  async *read(start, end) {
    for (let at = start; at < end; at += 50_000) yield bytes.subarray(at, Math.min(end, at + 50_000));
  },
};

/** A node whose connections break after so many bytes each; `keeps` is how much of it the node then has. */
function breakingNode(breaksAfter: readonly number[], error = new RonError('unavailable', 'broken')) {
  const stored = new Uint8Array(size);
  const breaks = [...breaksAfter];
  let offset = 0;
  const asked: string[] = [];
  const write = async (request: TransportRequest) => {
    expect(Number(request.input['upload_offset'])).toBe(offset);
    let left = breaks.shift() ?? Number.POSITIVE_INFINITY;
    for await (const piece of request.body as AsyncIterable<Uint8Array>) {
      const taken = piece.subarray(0, Math.min(piece.byteLength, left));
      stored.set(taken, offset);
      offset += taken.byteLength;
      left -= taken.byteLength;
      if (left === 0) throw error;
    }
    return { output: { offset }, body: undefined };
  };
  const transport: Transport = {
    async call(request) {
      asked.push(request.operation);
      if (request.operation === 'upload_write') return write(request);
      return { output: { upload_id: 'u', offset }, body: undefined };
    },
    ops: async () => '',
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { transport, stored, asked };
}

test('goes on at the offset that the node has', async () => {
  const { transport, stored, asked } = breakingNode([123_456, 1, 400_000]);
  const caller = new Caller(transport, new FakePlatform());
  const progress: number[] = [];
  const put = await resumableUpload(caller, 'b3:x', source, {
    onProgress: ({ doneBytes }) => progress.push(doneBytes),
  });
  expect(Buffer.compare(stored, bytes)).toBe(0);
  expect(put).toMatchObject({ address: 'b3:x', size, stored: true });
  expect(put.sentBytes).toBeLessThan(size + 3 * 50_000);
  expect(asked.filter((operation) => operation === 'upload_status')).toHaveLength(3);
  expect(progress.at(-1)).toBe(size);
});

test('a node that still reads the broken connection is asked again later', async () => {
  const { transport, stored } = breakingNode([50_000, 50_000], new RonError('conflict', 'another writer'));
  await resumableUpload(new Caller(transport, new FakePlatform()), 'b3:x', source, {});
  expect(Buffer.compare(stored, bytes)).toBe(0);
});

test('no byte of progress, again and again: it gives up', async () => {
  let writes = 0;
  const { transport } = breakingNode([]);
  const stuck: Transport = {
    ...transport,
    async call(request) {
      if (request.operation !== 'upload_write') return { output: { upload_id: 'u', offset: 0 }, body: undefined };
      writes += 1;
      throw new RonError('unavailable', 'no');
    },
  };
  const upload = resumableUpload(new Caller(stuck, new FakePlatform()), 'b3:x', source, {});
  await expect(upload).rejects.toMatchObject({ code: 'unavailable' });
  expect(writes).toBe(8);
});

test('what cannot get better ends it at once, as does a node that lost bytes', async () => {
  const { transport } = breakingNode([100], new RonError('bad_digest', 'other bytes'));
  const refused = resumableUpload(new Caller(transport, new FakePlatform()), 'b3:x', source, {});
  await expect(refused).rejects.toMatchObject({ code: 'bad_digest' });
  const forgetful: Transport = {
    ...transport,
    async call({ operation }) {
      if (operation === 'upload_write') throw new RonError('unavailable', 'broken');
      return { output: { upload_id: 'u', offset: operation === 'upload_create' ? 500 : 400 }, body: undefined };
    },
  };
  const lost = resumableUpload(new Caller(forgetful, new FakePlatform()), 'b3:x', source, {});
  await expect(lost).rejects.toMatchObject({ code: 'integrity' });
});

/** A node with one upload that clients share, one writer at a time; it checks the whole at the end. */
function sharedNode(begunWith = new Uint8Array(0)) {
  let stored = Buffer.from(begunWith);
  let busy = false;
  let uploads = 1;
  const state = () => ({
    upload_id: `u${uploads}`,
    offset: stored.byteLength,
    ...(stored.byteLength === size ? { durability: 'fsync' } : {}),
  });
  const write = async (request: TransportRequest) => {
    if (busy || Number(request.input['upload_offset']) !== stored.byteLength) throw new RonError('conflict', 'busy');
    busy = true;
    try {
      for await (const piece of request.body as AsyncIterable<Uint8Array>) stored = Buffer.concat([stored, piece]);
    } finally {
      busy = false;
    }
    if (Buffer.compare(stored, bytes) === 0) return;
    stored = Buffer.alloc(0);
    uploads += 1;
    throw new RonError('bad_digest', 'other bytes');
  };
  const transport: Transport = {
    async call(request) {
      if (request.operation === 'upload_write') await write(request);
      return { output: state(), body: undefined };
    },
    ops: async () => '',
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { transport, stored: () => stored };
}

test('an upload that an earlier client left: only the rest is sent, and progress begins there', async () => {
  const { transport, stored } = sharedNode(bytes.subarray(0, 700_000));
  const progress: number[] = [];
  const put = await resumableUpload(new Caller(transport, new FakePlatform()), 'b3:x', source, {
    onProgress: ({ doneBytes }) => progress.push(doneBytes),
  });
  expect(put).toEqual({ address: 'b3:x', size, stored: true, durability: 'fsync', sentBytes: 300_000 });
  expect(progress[0]).toBe(700_000);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  expect(progress.at(-1)).toBe(size);
  expect(Buffer.compare(stored(), bytes)).toBe(0);
});

test('what was whole before a byte was sent is not called stored', async () => {
  const { transport } = sharedNode(bytes);
  const put = await resumableUpload(new Caller(transport, new FakePlatform()), 'b3:x', source, {});
  expect(put).toMatchObject({ stored: false, durability: 'fsync', sentBytes: 0 });
});

test('two clients on one upload: whoever is refused asks again, and both end with the right bytes', async () => {
  const { transport, stored } = sharedNode();
  const ends: number[] = [];
  const client = () =>
    resumableUpload(new Caller(transport, new FakePlatform()), 'b3:x', source, {
      onProgress: ({ doneBytes }) => ends.push(doneBytes),
    });
  const both = await Promise.all([client(), client()]);
  expect(both).toMatchObject([{ durability: 'fsync' }, { durability: 'fsync' }]);
  expect(both.reduce((sum, { sentBytes }) => sum + sentBytes, 0)).toBe(size);
  expect(ends.filter((end) => end === size).length).toBeGreaterThanOrEqual(2);
  expect(Buffer.compare(stored(), bytes)).toBe(0);
});

test('wrong bytes that another client left cost one more beginning, not the upload', async () => {
  const { transport, stored } = sharedNode(new Uint8Array(400_000));
  const put = await resumableUpload(new Caller(transport, new FakePlatform()), 'b3:x', source, {});
  expect(put).toMatchObject({ stored: true, durability: 'fsync', sentBytes: 600_000 + size });
  expect(Buffer.compare(stored(), bytes)).toBe(0);
});

test('all bytes there, but another client still completing them: waits for the end of that', async () => {
  let asked = 0;
  const transport: Transport = {
    async call({ operation }) {
      if (operation === 'upload_write') throw new Error('nothing is left to send');
      if (operation === 'upload_status') asked += 1;
      const done = asked === 3 ? { durability: 'fsync' } : {};
      return { output: { upload_id: 'u', offset: size, ...done }, body: undefined };
    },
    ops: async () => '',
    [Symbol.asyncDispose]: async () => undefined,
  };
  const put = await resumableUpload(new Caller(transport, new FakePlatform()), 'b3:x', source, {});
  expect(put).toMatchObject({ durability: 'fsync', sentBytes: 0 });
  expect(asked).toBe(3);
});
