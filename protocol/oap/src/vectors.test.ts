import { describe, expect, it } from 'vitest';
import { encodeFrame, type FrameFields } from './frame-encoder.ts';
import { encodeHelloReply, encodeHelloRequest, helloProbe } from './hello.ts';
import { limits } from './limits.ts';
import { encodePayload } from './payload.ts';
import { fromHex, hex, Side } from './testing/loopback.ts';
import { appId, controlCode, frameFlag } from './wire.ts';

/**
 * The vectors of docs/specs/vectors/oap-1.json. They are written by `vitest run protocol/oap -u` and only compared
 * otherwise. What they mean is checked by `readFrame` below, which was written from docs/specs/OAP-1.md and shares
 * no code with the codec.
 */
const file = '../../../docs/specs/vectors/oap-1.json';

const { REQ, RESP, EVENT, START, END, ACK_REQ, APP_E2E } = frameFlag;
const corr_id = '0190b1c2-7a5e-7c31-9d1f-3f1b5a7c9e01';
const obj = `b3:${'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'}`;
const utf8 = (text: string) => new TextEncoder().encode(text);
const json = (value: unknown) => utf8(JSON.stringify(value));
const grant = (bytes: number) => new Uint8Array([bytes, bytes >>> 8, bytes >>> 16, bytes >>> 24]);
const tenant = fromHex('0190b1c27a5e7c319d1f3f1b5a7c9e01');

const reply = {
  server_version: '0.1.0',
  node_id: 'node-1',
  max_frame: 1_048_576,
  max_inflight: 64,
  supported_flags: 191,
  oap_versions: [1],
  transports: ['unix', 'tls'],
  revocation_seq: 7,
};
const notFound = { code: 'not_found', message: 'no such object', retryable: false, corr_id };
const open = { flags: REQ | START, app: appId.storage, streamId: 1, payload: encodePayload({ op: 'put', corr_id }) };
const hello = { flags: REQ | START | END, payload: encodeHelloRequest({}) };

/** Frames that are valid by themselves. */
const valid: readonly [string, FrameFields][] = [
  ['the HELLO probe, smallest frame of all', { flags: 0 }],
  ['HELLO request', { ...hello, payload: encodeHelloRequest({ accept_max_frame: 65_536, agent: 'vectors' }) }],
  ['HELLO reply', { flags: RESP | START | END, payload: encodeHelloReply(reply) }],
  [
    'one-shot request with tenant and capability',
    {
      flags: REQ | START | END,
      app: appId.storage,
      tenant,
      streamId: 1,
      capability: utf8('capability-bytes'),
      payload: encodePayload({ op: 'stat', corr_id, deadline_ms: 2_000 }, json({ address: obj })),
    },
  ],
  [
    'one-shot answer',
    {
      flags: RESP | START | END,
      app: appId.storage,
      streamId: 1,
      payload: encodePayload({ corr_id }, json({ size: 0 })),
    },
  ],
  ['request whose body follows, largest stream_id', { ...open, streamId: limits.streamIdMax }],
  ['stream_id above 32 bits', { ...open, streamId: 0x1_0000_0002 }],
  [
    'body bytes with a header',
    { flags: REQ, app: appId.storage, streamId: 1, payload: encodePayload({ off: 65_536 }, utf8('body bytes')) },
  ],
  [
    'body bytes without a header, acknowledgement asked for',
    { flags: REQ | ACK_REQ, app: appId.storage, streamId: 1, payload: encodePayload(undefined, utf8('more')) },
  ],
  [
    'END that tells the address',
    { flags: REQ | END, app: appId.storage, streamId: 1, payload: encodePayload({ obj }) },
  ],
  ['END without anything', { flags: RESP | END, app: appId.storage, streamId: 1 }],
  [
    'beginning of a partial answer, 206',
    {
      flags: RESP | START,
      code: 206,
      app: appId.storage,
      streamId: 1,
      payload: encodePayload({ corr_id, body_bytes: 10 }),
    },
  ],
  ['error', { flags: RESP | END, code: 404, app: appId.storage, streamId: 1, payload: json(notFound) }],
  [
    'connection-level error before closing',
    { flags: RESP | END, code: 400, payload: json({ ...notFound, code: 'bad_request', message: 'len is under 33' }) },
  ],
  ['credit for a stream, 64 KiB', { flags: EVENT, code: controlCode.credit, streamId: 1, payload: grant(65_536) }],
  ['credit for the connection, 4 MiB', { flags: EVENT, code: controlCode.credit, payload: grant(4_194_304) }],
  ['cancel', { flags: EVENT, code: controlCode.cancel, streamId: 1 }],
  ['acknowledgement', { flags: EVENT, code: controlCode.ack, streamId: 1 }],
  [
    'event',
    { flags: EVENT, app: appId.mailbox, streamId: 3, payload: encodePayload({ cursor: 12 }, json({ id: 'm1' })) },
  ],
  [
    'body sealed end to end',
    {
      flags: REQ | APP_E2E,
      app: appId.applications,
      streamId: 5,
      payload: encodePayload(undefined, fromHex('00ff10')),
    },
  ],
  [
    'reserved flags, ignored',
    { flags: 0xff00 | REQ, app: appId.storage, streamId: 1, payload: encodePayload(undefined, utf8('x')) },
  ],
];

const rawHead = (len: number, edit: Record<number, number> = {}): Uint8Array => {
  const bytes = helloProbe();
  new DataView(bytes.buffer).setUint32(0, len, true);
  for (const [at, value] of Object.entries(edit)) bytes[Number(at)] = value;
  return bytes;
};
const edited = (frame: FrameFields, edit: Record<number, number>): Uint8Array => {
  const bytes = encodeFrame(frame);
  for (const [at, value] of Object.entries(edit)) bytes[Number(at)] = value;
  return bytes;
};

/** Frames that an acceptor refuses after others; every one closes the connection. */
const refused: readonly [string, readonly FrameFields[], Uint8Array, string][] = [
  ['len 0', [hello], rawHead(0), 'len_too_small'],
  ['len 32', [hello], rawHead(32), 'len_too_small'],
  ['len max_frame + 1', [hello], rawHead(limits.maxFrameBytes + 1), 'len_too_large'],
  ['len 0xffffffff', [hello], rawHead(0xffff_ffff), 'len_too_large'],
  ['version 2', [hello], rawHead(33, { 4: 2 }), 'unknown_version'],
  ['cap_len past the frame', [hello], edited(open, { 28: 0xff }), 'capability_past_frame'],
  [
    'capability without START',
    [hello, open],
    encodeFrame({ flags: REQ, app: appId.storage, streamId: 1, capability: utf8('c') }),
    'capability_without_start',
  ],
  ['stream_id 2^53', [hello], edited(open, { 35: 0x20, 29: 0 }), 'stream_id_too_large'],
  ['no HELLO', [], encodeFrame(open), 'first_frame_not_hello'],
  ['second HELLO', [hello], encodeFrame(hello), 'second_hello'],
  ['duplicate START', [hello, open], encodeFrame(open), 'duplicate_start'],
  ['data without START', [hello], encodeFrame({ flags: REQ, app: appId.storage, streamId: 1 }), 'data_without_start'],
  [
    'RESP without REQ',
    [hello],
    encodeFrame({ flags: RESP | START, app: appId.storage, streamId: 1 }),
    'response_without_request',
  ],
  [
    'hdr_len past the payload',
    [hello, open],
    encodeFrame({ flags: REQ, app: appId.storage, streamId: 1, payload: fromHex('050041') }),
    'header_past_frame',
  ],
  [
    'grant of nothing',
    [hello],
    encodeFrame({ flags: EVENT, code: controlCode.credit, payload: grant(0) }),
    'credit_malformed',
  ],
];

interface ReadFrame {
  readonly len: number;
  readonly flags: readonly string[];
  readonly code: number;
  readonly app_proto_id: number;
  readonly tenant_id: string;
  readonly stream_id: number;
  readonly capability: string;
  readonly payload: string;
}

/** From the table of the specification: fixed offsets, little-endian, one frame, nothing left over. */
function readFrame(bytes: Uint8Array): ReadFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const len = view.getUint32(0, true);
  expect(bytes.length).toBe(4 + len);
  expect(view.getUint8(4)).toBe(1);
  const bits = view.getUint16(5, true);
  const names = ['REQ', 'RESP', 'EVENT', 'START', 'END', 'ACK_REQ', 'COMP', 'APP_E2E'];
  const capBytes = view.getUint16(27, true);
  return {
    len,
    flags: names.filter((_, bit) => (bits >> bit) % 2 === 1),
    code: view.getUint16(7, true),
    app_proto_id: view.getUint16(9, true),
    tenant_id: hex(bytes.slice(11, 27)),
    stream_id: Number(view.getBigUint64(29, true)),
    capability: hex(bytes.slice(37, 37 + capBytes)),
    payload: hex(bytes.slice(37 + capBytes)),
  };
}

/** `hdr_len u16 | header JSON | body`, from the specification. */
function readPayload(payload: Uint8Array): { header?: unknown; body: string } {
  if (payload.length === 0) return { body: '' };
  const headerBytes = payload[0]! + 256 * payload[1]!;
  const header = new TextDecoder().decode(payload.slice(2, 2 + headerBytes));
  return { ...(header === '' ? {} : { header: JSON.parse(header) }), body: hex(payload.slice(2 + headerBytes)) };
}

/** Meaning of a payload: app 0 and errors carry plain bytes, everything else header and body. */
function meaning(frame: ReadFrame): object {
  const payload = fromHex(frame.payload);
  if (frame.app_proto_id !== 0 && frame.code < 400) return readPayload(payload);
  if (frame.code === 100) return { credit_bytes: new DataView(payload.buffer).getUint32(0, true) };
  return payload.length === 0 ? {} : { json: JSON.parse(new TextDecoder().decode(payload)) };
}

const document = {
  spec: 'OAP/1, docs/specs/OAP-1.md',
  valid: valid.map(([name, frame]) => {
    const bytes = encodeFrame(frame);
    const { payload: _, ...fields } = readFrame(bytes);
    return { name, hex: hex(bytes), ...fields, ...meaning(readFrame(bytes)) };
  }),
  longest: {
    name: 'len = max_frame: the head, then zero bytes',
    hex: hex(rawHead(limits.maxFrameBytes, { 5: REQ })),
    zero_bytes: 1_048_543,
  },
  refused: refused.map(([name, before, bytes, reason]) => ({
    name,
    before: before.map((frame) => hex(encodeFrame(frame))),
    hex: hex(bytes),
    reason,
  })),
};

describe('vectors', () => {
  it('are those of the file', async () => {
    await expect(`${JSON.stringify(document, undefined, 2)}\n`).toMatchFileSnapshot(file);
  });

  it.each(valid)('%s: says what its maker meant', (_name, frame) => {
    const read = readFrame(encodeFrame(frame));
    const bits = ['REQ', 'RESP', 'EVENT', 'START', 'END', 'ACK_REQ', 'COMP', 'APP_E2E'] as const;
    expect(read).toEqual({
      len: 33 + (frame.capability?.length ?? 0) + (frame.payload?.length ?? 0),
      flags: bits.filter((name) => (frame.flags & frameFlag[name]) !== 0),
      code: frame.code ?? 0,
      app_proto_id: frame.app ?? 0,
      tenant_id: hex(frame.tenant ?? new Uint8Array(16)),
      stream_id: frame.streamId ?? 0,
      capability: hex(frame.capability ?? new Uint8Array(0)),
      payload: hex(frame.payload ?? new Uint8Array(0)),
    });
  });

  it('the probe is the one of the specification', () => {
    expect(document.valid[0]?.hex).toBe(`2100000001${'00'.repeat(32)}`);
    expect(hex(helloProbe())).toBe(document.valid[0]?.hex);
  });

  it.each(document.refused)('$name closes the connection', ({ before, hex: bytes, reason }) => {
    const acceptor = new Side({ role: 'acceptor' });
    for (const frame of before) acceptor.connection.receive(fromHex(frame));
    expect(acceptor.connection.state).toBe(before.length === 0 ? 'hello' : 'ready');
    acceptor.connection.receive(fromHex(bytes));
    expect(acceptor.recorder.closeReason).toBe(reason);
  });

  it('the longest frame is accepted to its last byte', () => {
    const acceptor = new Side({ role: 'acceptor' });
    acceptor.connection.receive(encodeFrame(hello));
    acceptor.connection.receive(encodeFrame(open));
    const longest = new Uint8Array(4 + limits.maxFrameBytes);
    longest.set(fromHex(document.longest.hex));
    longest[9] = 0x01;
    longest[10] = 0x03;
    longest[29] = 1;
    acceptor.connection.receive(longest);
    expect(acceptor.connection.state).toBe('ready');
    expect(37 + document.longest.zero_bytes).toBe(longest.length);
    expect(acceptor.recorder.of('data')[0]?.bytes.length).toBe(document.longest.zero_bytes - 2);
  });

  it('are many enough', () => {
    expect(document.valid.length + document.refused.length).toBeGreaterThanOrEqual(16);
  });
});
