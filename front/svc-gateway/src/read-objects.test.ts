import { hash, outboardSize, SLICE_MEDIA_TYPE, sliceSize, verifyOutboard, verifySlice } from '@ron/b3';
import { ResidentBody } from '@ron/proto/stream';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { createMapEdge } from './fixtures/map-edge.ts';
import { addressOf, gather } from './fixtures/map-peers.ts';
import { bytesOf, callOf, configOf, type StartedGateway, startGateway } from './fixtures/start-gateway.ts';
import { ObjectReader } from './object-reader.ts';
import { Quota } from './quota.ts';

const large = bytesOf(300_000);
const small = bytesOf(1_000, 2);
let node: StartedGateway;
let address: string;
let smallAddress: string;

beforeEach(async () => {
  node = await startGateway();
  address = node.storage.add(large);
  smallAddress = node.storage.add(small);
});

interface Part {
  readonly range: string;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** An independent reader of multipart/byteranges (RFC 2046, section 5.1), on Latin-1 text: one character a byte. */
function parseMultipart(contentType: string, body: Uint8Array): Part[] {
  const boundary = /^multipart\/byteranges; boundary=([A-Za-z0-9-]{1,70})$/.exec(contentType)![1]!;
  const [preamble, ...sections] = Buffer.from(body).toString('latin1').split(`\r\n--${boundary}`);
  expect(preamble).toBe('');
  expect(sections.pop()).toBe('--\r\n');
  return sections.map((section) => {
    const end = section.indexOf('\r\n\r\n');
    const headers = new Map(
      section
        .slice(2, end)
        .split('\r\n')
        .map((line) => line.split(': ') as [string, string]),
    );
    const bytes = Uint8Array.from(Buffer.from(section.slice(end + 4), 'latin1'));
    return { range: headers.get('content-range')!, type: headers.get('content-type')!, bytes };
  });
}

describe('get', () => {
  it('passes a whole object on as storage gave it, with one call', async () => {
    const reply = await node.handlers.get({ address: smallAddress }, callOf());
    expect(node.storage.calls).toEqual(['get']);
    expect((reply.body as ResidentBody).bytes).toBe(small);
    expect(reply.output).toEqual({
      status: 200,
      address: smallAddress,
      size: 1_000,
      etag: `"${smallAddress}"`,
      content_type: 'application/octet-stream',
      content_length: 1_000,
      accept_ranges: 'bytes',
      vary: 'accept',
      cache_control: 'private, max-age=31536000, immutable',
      cache: 'HIT',
      age: 7,
    });
  });

  it('tells what the edge knows of one read, and nothing of several', async () => {
    const one = await node.handlers.get({ address, range: 'bytes=5-9' }, callOf());
    expect(one.output).toMatchObject({ status: 206, cache: 'HIT', age: 7 });
    const parts = await node.handlers.get({ address, range: 'bytes=0-0,5-5' }, callOf());
    await gather(parts.body);
    expect(parts.output).not.toHaveProperty('cache');
    expect(parts.output).not.toHaveProperty('age');
  });

  it('answers HEAD without a body or a read, and ignores its Range', async () => {
    const { output: read } = await node.handlers.get({ address }, callOf());
    const { cache: _cache, age: _age, ...whole } = read;
    node.storage.calls.length = 0;
    const reply = await node.handlers.get({ address, head: true, range: 'bytes=0-1' }, callOf());
    expect(reply.output).toEqual(whole);
    expect(await gather(reply.body)).toHaveLength(0);
    expect(node.storage.calls).toEqual(['stat']);
    const beyond = await node.handlers.get({ address, head: true, range: 'bytes=999999-' }, callOf());
    expect(beyond.output).toEqual(whole);
  });

  it('sends one range as 206', async () => {
    const reply = await node.handlers.get({ address, range: 'bytes=65530-65545' }, callOf());
    expect(reply.output).toMatchObject({
      status: 206,
      size: 300_000,
      content_length: 16,
      content_range: 'bytes 65530-65545/300000',
      content_type: 'application/octet-stream',
    });
    expect(await gather(reply.body)).toEqual(large.slice(65_530, 65_546));
  });

  it('sends several ranges as multipart of exactly the announced length', async () => {
    const range = 'bytes=299990-,0-0,100000-200000,200001-200002';
    const reply = await node.handlers.get({ address, range }, callOf());
    const body = await gather(reply.body);
    expect(reply.output).toMatchObject({ status: 206, content_length: body.byteLength });
    expect(reply.output).not.toHaveProperty('content_range');
    const parts = parseMultipart(reply.output.content_type!, body);
    expect(parts.map((part) => part.range)).toEqual([
      'bytes 299990-299999/300000',
      'bytes 0-0/300000',
      'bytes 100000-200002/300000',
    ]);
    expect(parts.map((part) => part.bytes)).toEqual([
      large.slice(299_990),
      large.slice(0, 1),
      large.slice(100_000, 200_003),
    ]);
    expect(parts.every((part) => part.type === 'application/octet-stream')).toBe(true);
  });

  it('makes a new boundary for each multipart answer', async () => {
    const one = await node.handlers.get({ address, range: 'bytes=0-0,5-5' }, callOf());
    const two = await node.handlers.get({ address, range: 'bytes=0-0,5-5' }, callOf());
    expect(one.output.content_type).not.toBe(two.output.content_type);
  });

  it('opens the parts of a multipart answer one by one, without the deadline of the call', async () => {
    const deadlines: number[] = [];
    const { peer } = node.storage;
    const storage: typeof peer = {
      ...peer,
      stat: (input, options) => peer.stat(input, options),
      get(input, options) {
        deadlines.push(options!.context!.deadlineMs);
        return peer.get(input, options);
      },
    };
    const config = configOf();
    const random = { bytes: (length: number) => new Uint8Array(length), unit: () => 0 };
    const reader = new ObjectReader({
      edge: createMapEdge(storage),
      random,
      config,
      ledger: new Quota(config, node.clock),
    });
    const caching = { cacheControl: '', isPublic: false };
    const reply = await reader.read({ address, contentType: 'a/b', caching }, { range: 'bytes=0-0,5-5' }, callOf());
    expect(deadlines).toEqual([]);
    await gather(reply.body);
    expect(deadlines).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });

  it('agrees with slicing, whatever ranges are asked', async () => {
    const spans = fc.array(fc.tuple(fc.nat(1_100), fc.nat(300)), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(spans, async (asked) => {
        const range = `bytes=${asked.map(([first, more]) => `${first}-${first + more}`).join(',')}`;
        const satisfiable = asked.some(([first]) => first < 1_000);
        const reading = Promise.resolve(node.handlers.get({ address: smallAddress, range }, callOf()));
        if (!satisfiable) {
          await expect(reading).rejects.toMatchObject({ code: 'range_not_satisfiable', details: { size: 1_000 } });
          return;
        }
        const { output, body } = await reading;
        const bytes = await gather(body);
        expect(bytes.byteLength).toBe(output.content_length);
        const parts =
          output.content_range === undefined
            ? parseMultipart(output.content_type!, bytes)
            : [{ range: output.content_range, bytes }];
        for (const part of parts) {
          const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(part.range)!.map(Number);
          expect(size).toBe(1_000);
          expect(part.bytes).toEqual(small.slice(first, last! + 1));
        }
      }),
    );
  });

  it('answers 304 before it looks at ranges', async () => {
    const fields = { if_none_match: `W/"${address}"`, range: 'bytes=999999-' };
    const reply = await node.handlers.get({ address, ...fields }, callOf());
    expect(reply.output).toMatchObject({ status: 304, etag: `"${address}"`, vary: 'accept' });
    expect(reply.output).not.toHaveProperty('content_type');
    expect(reply.output).not.toHaveProperty('content_length');
    expect(await gather(reply.body)).toHaveLength(0);
    expect(node.storage.calls).toEqual(['stat']);
  });

  it('honours If-Range for the same object only', async () => {
    const range = 'bytes=0-9';
    const same = await node.handlers.get({ address, range, if_range: `"${address}"` }, callOf());
    const other = await node.handlers.get({ address, range, if_range: '"b3:else"' }, callOf());
    expect([same.output.status, other.output.status]).toEqual([206, 200]);
    expect(await gather(other.body)).toEqual(large);
  });

  it('says not_found for 304, HEAD, ranges and slices of what is not there', async () => {
    const absent = addressOf(bytesOf(3, 9));
    for (const fields of [
      {},
      { if_none_match: '*' },
      { head: true },
      { range: 'bytes=0-' },
      { accept: SLICE_MEDIA_TYPE },
    ]) {
      await expect(node.handlers.get({ address: absent, ...fields }, callOf())).rejects.toMatchObject({
        code: 'not_found',
      });
    }
  });

  it('does not describe quarantined bytes', async () => {
    node.storage.quarantined.add(address);
    await expect(node.handlers.get({ address, head: true }, callOf())).rejects.toMatchObject({ code: 'integrity' });
  });

  it('serves the empty object', async () => {
    const empty = node.storage.add(new Uint8Array(0));
    const reply = await node.handlers.get({ address: empty, range: 'bytes=-1' }, callOf());
    expect(reply.output).toMatchObject({ status: 200, content_length: 0 });
    await expect(node.handlers.get({ address: empty, range: 'bytes=0-' }, callOf())).rejects.toMatchObject({
      code: 'range_not_satisfiable',
      details: { size: 0 },
    });
  });

  it('lets shared caches keep only what everyone may read', async () => {
    const open = await startGateway({ public_prefixes: [`o/${smallAddress}`, 'n/site'] });
    open.storage.add(small);
    open.storage.add(large);
    const reply = await open.handlers.get({ address: smallAddress }, callOf());
    expect(reply.output).toMatchObject({
      cache_control: 'public, max-age=31536000, immutable',
      access_control_allow_origin: '*',
    });
    const other = await open.handlers.get({ address }, callOf());
    expect(other.output.cache_control).toMatch(/^private/);
    expect(other.output).not.toHaveProperty('access_control_allow_origin');
  });
});

describe('verified slices', () => {
  const accept = SLICE_MEDIA_TYPE;

  it('sends a slice that proves the whole', async () => {
    const { output, body } = await node.handlers.get({ address, accept }, callOf());
    expect(output).toMatchObject({
      status: 200,
      content_type: SLICE_MEDIA_TYPE,
      etag: `"${address}.slice"`,
      vary: 'accept',
      content_length: sliceSize(large.byteLength, 0),
    });
    expect(output).not.toHaveProperty('accept_ranges');
    const verified = verifySlice(body, { root: hash(large) });
    expect(await gather(verified)).toEqual(large);
  });

  it('sends a slice of a range, under a tag and a vary of its own', async () => {
    const { output, body } = await node.handlers.get({ address, accept, range: 'bytes=70000-70009' }, callOf());
    expect(output).toMatchObject({ status: 200, etag: `"${address}.slice.70000-70009"`, vary: 'accept, range' });
    const bytes = await gather(body);
    expect(bytes.byteLength).toBe(output.content_length);
    const source = (async function* () {
      yield bytes;
    })();
    const verified = await gather(verifySlice(source, { root: hash(large), start: 70_000, length: 10 }));
    expect(verified).toEqual(large.slice(70_000, 70_010));
  });

  it('knows the length without reading, and answers conditionals', async () => {
    const range = 'bytes=70000-70009';
    const get = await node.handlers.get({ address, accept }, callOf());
    node.storage.calls.length = 0;
    const head = await node.handlers.get({ address, accept, head: true }, callOf());
    expect(head.output).toEqual(get.output);
    const known = { if_none_match: `"${address}.slice.70000-70009"` };
    expect((await node.handlers.get({ address, accept, range, ...known }, callOf())).output.status).toBe(304);
    expect(
      (await node.handlers.get({ address, accept, if_none_match: `"${address}"`, head: true }, callOf())).output.status,
    ).toBe(200);
    expect(node.storage.calls).toEqual(['stat', 'stat', 'stat']);
  });

  it('proves one range at a time', async () => {
    const reading = node.handlers.get({ address, accept, range: 'bytes=0-0,9-9' }, callOf());
    await expect(reading).rejects.toMatchObject({ code: 'range_not_satisfiable', details: { size: 300_000 } });
  });
});

describe('outboard', () => {
  it('is another representation than the object', async () => {
    const { output, body } = await node.handlers.outboard({ address }, callOf());
    expect(output).toMatchObject({
      status: 200,
      size: 300_000,
      etag: `"${address}.outboard"`,
      content_type: 'application/vnd.ron.b3-outboard',
      content_length: outboardSize(300_000),
      accept_ranges: 'bytes',
    });
    const bytes = await gather(body);
    expect(verifyOutboard({ root: hash(large), outboard: bytes }).size).toBe(300_000);
  });

  it('has ranges, conditionals and HEAD', async () => {
    const whole = await gather((await node.handlers.outboard({ address }, callOf())).body);
    const one = await node.handlers.outboard({ address, range: 'bytes=8-71' }, callOf());
    expect(one.output).toMatchObject({
      status: 206,
      content_range: `bytes 8-71/${whole.byteLength}`,
      content_length: 64,
    });
    expect(await gather(one.body)).toEqual(whole.slice(8, 72));
    const many = await node.handlers.outboard({ address, range: 'bytes=-8,0-7' }, callOf());
    const parts = parseMultipart(many.output.content_type!, await gather(many.body));
    expect(parts.map((part) => part.bytes)).toEqual([whole.slice(-8), whole.slice(0, 8)]);
    const head = await node.handlers.outboard({ address, head: true }, callOf());
    expect(head.output).toMatchObject({ status: 200, content_length: whole.byteLength });
    const known = await node.handlers.outboard({ address, if_none_match: `"${address}.outboard"` }, callOf());
    expect(known.output.status).toBe(304);
    const foreign = await node.handlers.outboard({ address, if_none_match: `"${address}"` }, callOf());
    expect(foreign.output.status).toBe(200);
    await expect(node.handlers.outboard({ address, range: 'bytes=99999-' }, callOf())).rejects.toMatchObject({
      details: { size: whole.byteLength },
    });
  });

  it('of an object of one group is its length alone', async () => {
    const { output, body } = await node.handlers.outboard({ address: smallAddress }, callOf());
    expect(output.content_length).toBe(8);
    expect(await gather(body)).toEqual(Uint8Array.from([232, 3, 0, 0, 0, 0, 0, 0]));
  });

  it.each([
    [131_072, 206],
    [131_073, 200],
  ])('of %d groups: ranges up to 8 MiB of it, then the whole', async (groups, status) => {
    const size = groups * 65_536;
    const { peer } = node.storage;
    const storage: typeof peer = {
      ...peer,
      stat: async (input, options) => ({ ...(await peer.stat(input, options)), size }),
      outboard: async () => ({
        output: { address, size, outboard_size: outboardSize(size) },
        body: new ResidentBody(new Uint8Array(outboardSize(size))),
      }),
    };
    const config = configOf();
    const random = { bytes: (length: number) => new Uint8Array(length), unit: () => 0 };
    const reader = new ObjectReader({
      edge: createMapEdge(storage),
      random,
      config,
      ledger: new Quota(config, node.clock),
    });
    const target = { address, contentType: 'a/b', caching: { cacheControl: '', isPublic: false } };
    const reply = await reader.outboard(target, { range: 'bytes=-8' }, callOf());
    expect(reply.output).toMatchObject({ status, content_length: status === 206 ? 8 : outboardSize(size) });
  });
});
