import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodeFrame } from './frame-encoder.ts';
import type { RequestHeader } from './headers.ts';
import { helloProbe } from './hello.ts';
import type { Inflate } from './inflate.ts';
import { limits } from './limits.ts';
import { encodePayload } from './payload.ts';
import { Loopback, Side } from './testing/loopback.ts';
import { frameFlag } from './wire.ts';

const { REQ, RESP, START, COMP, APP_E2E } = frameFlag;
const app = 0x0301;
const header: RequestHeader = { op: 'get', corr_id: 'corr-0001' };
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const inflate: Inflate = (bytes, maxOutputLength) => zstdDecompressSync(bytes, { maxOutputLength });

describe('COMP', () => {
  const call = (payload: Uint8Array, flags: number, inflater: Inflate | undefined) => {
    const acceptor = new Side({ role: 'acceptor', ...(inflater === undefined ? {} : { inflate: inflater }) });
    acceptor.connection.receive(helloProbe());
    acceptor.take();
    acceptor.connection.receive(encodeFrame({ flags: REQ | START | COMP | flags, app, streamId: 1, payload }));
    const code = /"code":"([a-z_]+)"/.exec(text(acceptor.take()))?.[1];
    return { code, opened: acceptor.recorder.of('open')[0]?.stream, acceptor };
  };
  const cap = limits.inflatedFramesMax * limits.maxFrameBytes;
  const ofSize = (bytes: number) => {
    const head = encodePayload(header);
    const plain = new Uint8Array(bytes);
    plain.set(head);
    return zstdCompressSync(plain);
  };

  it('is inflated on START', () => {
    const { opened } = call(zstdCompressSync(encodePayload(header, utf8('{}'))), 0, inflate);
    expect(opened?.header).toEqual(header);
    expect(text(opened?.body)).toBe('{}');
  });

  it.each([
    [-1, undefined],
    [0, undefined],
    [1, 'payload_too_large'],
  ] as const)('stops at 8 × max_frame %i', (delta, code) => {
    expect(call(ofSize(cap + delta), 0, inflate).code).toBe(code);
    const careless: Inflate = (bytes) => zstdDecompressSync(bytes);
    expect(call(ofSize(cap + delta), 0, careless).code).toBe(code);
  });

  it('refuses the stream for what cannot be inflated', () => {
    const good = zstdCompressSync(encodePayload(header));
    expect(call(good.subarray(0, good.length - 3), 0, inflate).code).toBe('bad_request');
    expect(call(new Uint8Array(0), 0, inflate).code).toBe('bad_request');
    expect(call(new Uint8Array(20), 0, inflate).code).toBe('bad_request');
    expect(call(good, 0, undefined).code).toBe('unsupported_media_type');
    expect(call(good, APP_E2E, inflate).code).toBe('unsupported_media_type');
    expect(call(good, APP_E2E, inflate).acceptor.connection.state).toBe('ready');
    expect(call(zstdCompressSync(new Uint8Array([9])), 0, inflate).acceptor.recorder.closeReason).toBe(
      'header_past_frame',
    );
  });

  it('on an answer ends the call at the opener', () => {
    const pair = new Loopback().start();
    const id = pair.opener.connection.open({ app, header });
    pair.opener.connection.receive(
      encodeFrame({ flags: RESP | START | COMP, app, streamId: id, payload: new Uint8Array(9) }),
    );
    expect(pair.opener.recorder.of('error')).toMatchObject([{ id, error: { code: 'unsupported_media_type' } }]);
    pair.pump();
    expect(pair.acceptor.recorder.of('cancel')).toEqual([{ type: 'cancel', id }]);
  });
});
