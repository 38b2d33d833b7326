import type { ByteStream } from '@ron/proto/stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { addressOf } from './fixtures/map-peers.ts';
import { bytesOf, callOf, contextOf, everything, type StartedGateway, startGateway } from './fixtures/start-gateway.ts';

const limit = 1_000;
let node: StartedGateway;

beforeEach(async () => {
  node = await startGateway({ object_bytes_max: limit });
});

async function* chunked(bytes: Uint8Array): ByteStream & AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 100) yield bytes.subarray(at, at + 100);
}

describe('put', () => {
  it('answers 201 for new bytes and 200 for known ones', async () => {
    const bytes = bytesOf(10);
    const address = addressOf(bytes);
    const first = await node.handlers.put({}, callOf(bytes));
    expect(first).toEqual({
      address,
      size: 10,
      stored: true,
      durability: 'memory',
      location: `/o/${address}`,
      http_status: 201,
    });
    expect(await node.handlers.put({}, callOf(bytes))).toMatchObject({ stored: false, http_status: 200 });
  });

  it.each([limit - 1, limit])('takes %d bytes, announced or not', async (length) => {
    expect(await node.handlers.put({}, callOf(bytesOf(length)))).toMatchObject({ size: length });
    expect(await node.handlers.put({}, callOf(chunked(bytesOf(length, 2))))).toMatchObject({ size: length });
  });

  it('refuses one byte more: announced, before storage is asked', async () => {
    const putting = node.handlers.put({}, callOf(bytesOf(limit + 1)));
    await expect(putting).rejects.toMatchObject({ code: 'payload_too_large', details: { limit } });
    expect(node.storage.calls).toEqual([]);
  });

  it('refuses one byte more: not announced, while it arrives', async () => {
    const putting = node.handlers.put({}, callOf(chunked(bytesOf(limit + 1))));
    await expect(putting).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(node.storage.objects.size).toBe(0);
  });

  it.each(['gzip', 'br', 'identity, gzip', 'zstd'])('refuses Content-Encoding: %s', async (content_encoding) => {
    const putting = node.handlers.put({ content_encoding }, callOf(bytesOf(3)));
    await expect(putting).rejects.toMatchObject({ code: 'unsupported_media_type' });
    expect(node.storage.calls).toEqual([]);
  });

  it.each(['identity', ' Identity ', ''])('takes Content-Encoding: "%s"', async (content_encoding) => {
    expect(await node.handlers.put({ content_encoding }, callOf(bytesOf(3)))).toMatchObject({ stored: true });
  });

  it('promises no sync that the node cannot give', async () => {
    const putting = node.handlers.put({ durability: 'fsync' }, callOf(bytesOf(3)));
    await expect(putting).rejects.toMatchObject({ code: 'bad_request', details: { durability: 'memory' } });
    expect(node.storage.objects.size).toBe(0);
    node.storage.durability = 'fsync';
    expect(await node.handlers.put({ durability: 'fsync' }, callOf(bytesOf(3)))).toMatchObject({ durability: 'fsync' });
    expect(await node.handlers.put({ durability: 'memory' }, callOf(bytesOf(4)))).toMatchObject({
      durability: 'fsync',
    });
  });

  it('stores under a known address only what belongs there', async () => {
    const bytes = bytesOf(5);
    const address = addressOf(bytes);
    const lying = node.handlers.put_at({ address }, callOf(bytesOf(5, 7)));
    await expect(lying).rejects.toMatchObject({ code: 'bad_digest' });
    expect(node.storage.objects.size).toBe(0);
    expect(await node.handlers.put_at({ address }, callOf(bytes))).toMatchObject({ address, http_status: 201 });
  });

  it('says which objects are here', async () => {
    const here = node.storage.add(bytesOf(1));
    const absent = addressOf(bytesOf(2));
    const answer = await node.handlers.has({ addresses: [here, absent] }, callOf());
    expect(answer).toEqual({ present: [here], missing: [absent] });
  });
});

describe('uploads after tus 1.0', () => {
  const content_type = 'application/offset+octet-stream';
  const tus_resumable = '1.0.0';
  const create = (upload_length: string, fields: object = {}, body?: Uint8Array | ByteStream) =>
    node.handlers.upload_create({ upload_length, tus_resumable, ...fields }, callOf(body));

  it('creates, receives in pieces, completes', async () => {
    const bytes = bytesOf(10);
    const created = await create('10', { upload_metadata: 'filename Zm9v,is_empty' });
    expect(created).toMatchObject({
      size: 10,
      offset: 0,
      complete: false,
      location: `/uploads/${created.upload_id}`,
      tus_resumable,
      cache_control: 'no-store',
      upload_expires: 'Tue, 14 Nov 2023 22:13:20 GMT',
    });
    const { upload_id } = created;
    const write = (upload_offset: string, part: Uint8Array) =>
      node.handlers.upload_write({ upload_id, upload_offset, tus_resumable, content_type }, callOf(part));
    expect(await write('0', bytes.subarray(0, 4))).toMatchObject({ offset: 4, complete: false });
    await expect(write('0', bytes)).rejects.toMatchObject({ code: 'conflict', details: { offset: 4 } });
    expect(await node.handlers.upload_status({ upload_id, tus_resumable }, callOf())).toMatchObject({
      offset: 4,
      tus_resumable,
    });
    expect(await write('4', bytes.subarray(4))).toMatchObject({
      offset: 10,
      complete: true,
      durability: 'memory',
      address: addressOf(bytes),
    });
  });

  it('completes an empty file on creation, for tus sends nothing more', async () => {
    expect(await create('0')).toMatchObject({ complete: true, offset: 0, address: addressOf(new Uint8Array(0)) });
  });

  it.each([`${limit - 1}`, `${limit}`])('takes Upload-Length %s', async (length) => {
    expect(await create(length)).toMatchObject({ size: Number(length) });
  });

  it.each([
    [`${limit + 1}`, 'payload_too_large'],
    ['9007199254740991', 'payload_too_large'],
    ['9007199254740992', 'bad_request'],
    ['9999999999999999', 'bad_request'],
  ])('refuses Upload-Length %s', async (length, code) => {
    await expect(create(length)).rejects.toMatchObject({ code });
    expect(node.storage.uploads.size).toBe(0);
  });

  it('needs a length, its own version and well-formed metadata', async () => {
    const without = node.handlers.upload_create({ tus_resumable }, callOf());
    await expect(without).rejects.toMatchObject({ code: 'length_required' });
    await expect(create('1', { tus_resumable: '0.2.2' })).rejects.toMatchObject({
      code: 'bad_request',
      details: { tus_version: '1.0.0' },
    });
    for (const upload_metadata of ['a b c', 'a !!', ',', 'a Zm9v,,b']) {
      await expect(create('1', { upload_metadata })).rejects.toMatchObject({ code: 'bad_request' });
    }
    const { upload_id } = await create('1');
    const wrong = { upload_id, tus_resumable: '2.0.0' };
    await expect(node.handlers.upload_status(wrong, callOf())).rejects.toMatchObject({ code: 'bad_request' });
    await expect(node.handlers.upload_abort(wrong, callOf())).rejects.toMatchObject({ code: 'bad_request' });
    expect(node.storage.uploads.size).toBe(1);
  });

  it('takes bytes as their own media type only', async () => {
    const { upload_id } = await create('3');
    for (const type of [undefined, 'application/octet-stream', 'text/plain']) {
      const input = {
        upload_id,
        upload_offset: '0',
        tus_resumable,
        ...(type === undefined ? {} : { content_type: type }),
      };
      const writing = node.handlers.upload_write(input, callOf(bytesOf(3)));
      await expect(writing).rejects.toMatchObject({ code: 'unsupported_media_type' });
    }
    const odd = { upload_id, upload_offset: '9007199254740992', content_type };
    await expect(node.handlers.upload_write(odd, callOf(bytesOf(3)))).rejects.toMatchObject({ code: 'bad_request' });
    const spelled = { upload_id, upload_offset: '0', content_type: 'Application/Offset+Octet-Stream; x=y' };
    expect(await node.handlers.upload_write(spelled, callOf(bytesOf(3)))).toMatchObject({ complete: true });
  });

  it('refuses bytes that come with a plain creation, announced or not', async () => {
    await expect(create('3', {}, bytesOf(3))).rejects.toMatchObject({ code: 'unsupported_media_type' });
    await expect(create('3', {}, chunked(bytesOf(3)))).rejects.toMatchObject({ code: 'unsupported_media_type' });
    expect(node.storage.uploads.size).toBe(0);
    expect(await create('3', {}, chunked(new Uint8Array(0)))).toMatchObject({ size: 3 });
  });

  it('creates a verified upload from an outboard and its address', async () => {
    const outboard = bytesOf(72);
    const address = addressOf(bytesOf(300));
    const fields = { content_type: 'application/vnd.ron.b3-outboard', address };
    const created = await create('300', fields, outboard);
    expect(created).toMatchObject({ size: 300, missing: 'AQ', address });
    expect(node.storage.uploads.get(created.upload_id)?.outboard).toEqual(outboard);
    const nameless = create('300', { content_type: fields.content_type }, outboard);
    await expect(nameless).rejects.toMatchObject({ code: 'bad_request' });
  });

  it('drops an upload', async () => {
    const { upload_id } = await create('3');
    expect(await node.handlers.upload_abort({ upload_id }, callOf())).toEqual({ tus_resumable });
    await expect(node.handlers.upload_abort({ upload_id }, callOf())).rejects.toMatchObject({ code: 'not_found' });
  });

  it('says what it knows of tus', async () => {
    expect(await node.handlers.upload_options({}, callOf())).toEqual({
      tus_resumable,
      tus_version: '1.0.0',
      tus_extension: 'creation,termination,expiration',
      tus_max_size: limit,
    });
  });
});

describe('administration', () => {
  it('passes each question to storage', async () => {
    const address = node.storage.add(bytesOf(1));
    expect(await node.handlers.why({ address }, callOf())).toMatchObject({ address, present: true });
    expect(await node.handlers.collect({ dry_run: true }, callOf())).toMatchObject({ dry_run: true });
    expect(await node.handlers.undelete({ address }, callOf())).toMatchObject({ state: 'live' });
    expect(await node.handlers.scrub({ action: 'status' }, callOf())).toMatchObject({ running: true });
    expect(await node.handlers.usage({}, callOf())).toMatchObject({ objects: 1 });
    expect(node.storage.calls).toEqual(['why', 'collect', 'undelete', 'scrub', 'usage']);
  });

  it('shows the capability, and has none to show for nobody', async () => {
    const view = { id: 'cap-1', subject: 'tester', tenant: 't', audience: 'a', rights: [], limits: {}, caveats: 0 };
    const call = callOf();
    const shown = { ...call, context: { ...contextOf(), principal: { ...everything, view: () => view } } };
    expect(await node.handlers.whoami({}, shown)).toEqual(view);
    expect(() => node.handlers.whoami({}, call)).toThrow(expect.objectContaining({ code: 'unauthenticated' }));
  });
});
