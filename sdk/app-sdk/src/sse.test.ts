import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type SseEvent, SseParser } from './sse.ts';

function parse(pieces: readonly Uint8Array[], parser = new SseParser()): SseEvent[] {
  return pieces.flatMap((piece) => [...parser.push(piece)]);
}

const encoder = new TextEncoder();
const parseText = (text: string) => parse([encoder.encode(text)]);

/** The standard's rules on the whole text, with nothing cut. */
function reference(text: string): SseEvent[] {
  const events: SseEvent[] = [];
  let [type, lastEventId] = ['', ''];
  let data: string[] = [];
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  // What follows the last line end is no line.
  for (const line of lines.slice(0, -1)) {
    if (line === '') {
      if (data.length > 0) events.push({ type: type || 'message', data: data.join('\n'), lastEventId });
      [type, data] = ['', []];
      continue;
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!;
    if (field === 'event') type = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) lastEventId = value;
  }
  return events;
}

/** Bytes cut at these places, in one-byte pieces where places follow each other. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

const line = fc.oneof(
  fc.constantFrom(
    '',
    '',
    'data',
    'data:',
    'data: ',
    'data:  x',
    ': ping',
    ':',
    'id',
    'id: 7',
    'id:a\0b',
    'event: gone',
  ),
  fc.constantFrom('retry: 5', 'datas: x', ' data: x', 'data : x', 'event: message', '\ufeffdata: late'),
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => `data: ${text.replace(/[\r\n]/g, '')}`),
);
const stream = fc
  .tuple(fc.boolean(), fc.array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')), { maxLength: 30 }), line)
  .map(([bom, lines, rest]) => (bom ? '\ufeff' : '') + lines.flat().join('') + rest.replace(/[\r\n]/g, ''));

describe('an event stream', () => {
  test('reads the same however its bytes are cut, inside of letters and line ends too', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(2_000), { maxLength: 40 }), (text, places) => {
        expect(parse(cut(encoder.encode(text), places))).toEqual(reference(text));
      }),
    );
    fc.assert(
      fc.property(stream, (text) => {
        const bytes = encoder.encode(text);
        expect(parse([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(reference(text));
      }),
    );
  });

  test('takes names, several lines of data, ids that stay, and no event without data', () => {
    const text = 'event: message\nid: 1\ndata: a\ndata:\ndata:  b\n\nid: 2\n\n: ping\n\ndata: c\n\ndata: never ends';
    expect(parseText(text)).toEqual([
      { type: 'message', data: 'a\n\n b', lastEventId: '1' },
      { type: 'message', data: 'c', lastEventId: '2' },
    ]);
  });

  test('what is no UTF-8 becomes replacement characters and no error', () => {
    const bytes = new Uint8Array([...encoder.encode('data: '), 0xff, 0xe2, 0x82, ...encoder.encode('\n\n')]);
    expect(parse([bytes])).toEqual([{ type: 'message', data: '\ufffd\ufffd', lastEventId: '' }]);
  });
});

describe('the bound of an event', () => {
  const event = (bytes: number) => `data: ${'x'.repeat(bytes - 6)}\n\n`;

  test.each([
    [99, true],
    [100, true],
    [101, false],
  ])('%i bytes of 100', (bytes, fits) => {
    for (const piece of [1, 7, 1_000]) {
      const parser = new SseParser(100);
      const all = encoder.encode(event(bytes));
      const places = Array.from({ length: Math.ceil(all.length / piece) }, (_, index) => index * piece);
      const read = () => parse(cut(all, places), parser);
      if (fits) expect(read()).toHaveLength(1);
      else expect(read).toThrow(expect.objectContaining({ code: 'internal' }));
    }
  });

  test('a line that never ends, and lines that never end in an event, are refused', () => {
    const endless = (text: string) => () => parse(Array<Uint8Array>(60).fill(encoder.encode(text)), new SseParser(100));
    expect(endless('xx')).toThrow('more than 100 bytes');
    expect(endless('data: x\n')).toThrow('more than 100 bytes');
  });

  test('events and comments without end do not add up', () => {
    const bytes = encoder.encode(': ping\n\ndata: x\n\n');
    const parser = new SseParser(100);
    const found = Array.from({ length: 100 }, () => [...parser.push(bytes)]).flat();
    expect(found).toHaveLength(100);
    const comments = new SseParser(100);
    for (let count = 0; count < 100; count += 1) expect([...comments.push(encoder.encode(': ping\n'))]).toEqual([]);
  });
});
