import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DerError, DerReader, derTag, encodeDer } from './der.ts';

const tag = derTag.octetString;

test('what is encoded is read back, whatever its length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), (content) => {
      const reader = new DerReader(encodeDer(tag, content));
      expect(reader.read(tag)).toEqual(content);
      reader.end();
    }),
  );
});

test.each([127, 128, 255, 256, 65_535])('%i bytes: the shortest length, and no other', (size) => {
  const content = new Uint8Array(size);
  const encoded = encodeDer(tag, content);
  expect(new DerReader(encoded).read(tag)).toHaveLength(size);
  const longer = [
    ...(size < 256 ? [Uint8Array.of(tag, 0x81, size)] : []),
    Uint8Array.of(tag, 0x82, size >> 8, size & 0xff),
    Uint8Array.of(tag, 0x83, 0, size >> 8, size & 0xff),
    Uint8Array.of(tag, 0x80),
  ];
  for (const head of longer) {
    const other = Uint8Array.of(...head, ...content.subarray(0, 300));
    if (other.slice(0, head.length).every((byte, index) => byte === encoded[index])) continue;
    expect(() => new DerReader(other).read(tag)).toThrow(DerError);
  }
});

test('65,536 bytes are not encoded', () => {
  expect(() => encodeDer(tag, new Uint8Array(65_536))).toThrow(RangeError);
});

test('any bytes are read or refused with one kind of error, and never past their end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const reader = new DerReader(bytes);
      try {
        while (!reader.done) reader.read(bytes[0] as number);
      } catch (error) {
        expect(error).toBeInstanceOf(DerError);
      }
    }),
  );
});
