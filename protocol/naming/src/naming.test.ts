import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isIdnaValid } from './idna.ts';
import {
  addressFromHash,
  canonicalJson,
  encodeManifest,
  findEntry,
  findEntryOrIndex,
  formatTenant,
  hashFromAddress,
  isAddress,
  isName,
  type JsonValue,
  jsonDepthMax,
  manifestBytesMax,
  manifestEntriesMax,
  normalizeName,
  parseAddress,
  parseEntryPath,
  parseManifest,
  parseName,
  parseTenant,
} from './index.ts';
import { scriptTesters } from './scripts.ts';

/** The value, or undefined after a proper refusal. Any other throw fails the property. */
function accepted<T>(task: () => T): T | undefined {
  try {
    return task();
  } catch (error) {
    expect(error).toBeInstanceOf(RonError);
    expect((error as RonError).code).toBe('bad_request');
    expect(typeof (error as RonError).details?.rule).toBe('string');
    return undefined;
  }
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
  fc.string({ unit: fc.constantFrom('a', 'é', 'е', 'か', '漢', '한', '.', '-', '/', '_', '0', '٣', '\u0301', 'A') }),
);
const address = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(addressFromHash);
const segment = fc
  .string({ unit: fc.constantFrom('a', 'B', ' ', 'é', '😀', '.', '-', '\uff5e', '1'), minLength: 1, maxLength: 12 })
  .filter((text) => text !== '.' && text !== '..');
/** Files end in `.f` and folders in `.d`, so that none is both. */
const path = fc
  .tuple(fc.array(segment, { maxLength: 3 }), segment)
  .map(([folders, file]) => [...folders.map((name) => `${name}.d`), `${file}.f`].join('/'));
const entry = fc.record({ path, address, size: fc.maxSafeNat(), mime: fc.constantFrom('text/plain', 'image/png') });
const entries = fc.uniqueArray(entry, { selector: (item) => item.path, maxLength: 30 });

describe('arbitrary text', () => {
  test('is accepted unchanged or refused with bad_request, by every parser', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        for (const parse of [parseName, parseEntryPath, parseAddress]) {
          const value = accepted(() => parse(text));
          if (value !== undefined) expect(value).toBe(text);
        }
        accepted(() => parseTenant(text));
        accepted(() => parseManifest(new TextEncoder().encode(text)));
        expect(isName(text)).toBe(accepted(() => parseName(text)) !== undefined);
      }),
      { numRuns: 3000 },
    );
  });

  test('normalizes to a fixed point', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const name = accepted(() => normalizeName(text));
        if (name !== undefined) expect([normalizeName(name), parseName(name)]).toEqual([name, name]);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('addresses', () => {
  test('round-trip through their hash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (hash) => {
        expect(hashFromAddress(addressFromHash(hash))).toEqual(hash);
        expect(isAddress(addressFromHash(hash))).toBe(true);
      }),
    );
  });

  test.each([0, 31, 33])('are not made of %i bytes', (length) => {
    expect(() => addressFromHash(new Uint8Array(length))).toThrow(/32 bytes/);
  });
});

describe('names', () => {
  test('normalizeName repairs case and composition, and nothing else', () => {
    expect(normalizeName('Docs/Cafe\u0301')).toBe('docs/café');
    expect(accepted(() => normalizeName(' docs'))).toBeUndefined();
    expect(accepted(() => normalizeName('a'.repeat(100_000)))).toBeUndefined();
  });

  // From the IANA "idna-tables-properties" registry of RFC 5892: one of each derivation step.
  test.each([
    ['\u00df', true],
    ['\u00e9', true],
    ['\u0131', true],
    ['\u3007', true],
    ['\u30fc', true],
    ['\u{20000}', true],
    ['\u00aa', false],
    ['\u00c9', false],
    ['\u00d7', false],
    ['\u0149', false],
    ['\u0660', false],
    ['\u0640', false],
    ['\u1100', false],
    ['\u115f', false],
    ['\u200c', false],
    ['\u20d0', false],
    ['\u302e', false],
    ['\ufb01', false],
    ['\u{1d165}', false],
    ['\u{e0100}', false],
    ['\u0378', false],
    ['\ufdd0', false],
  ])('IDNA2008 validity of %j is %s', (character, valid) => {
    expect(isIdnaValid(character)).toBe(valid);
  });
});

test('a script that the engine does not know has no letters', () => {
  const testers = scriptTesters(['Xxxx', 'Latn']);
  expect(testers.map((tester) => tester.test('a'))).toEqual([true]);
});

describe('tenants', () => {
  test('round-trip through ULID text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        fc.pre(bytes.some((byte) => byte !== 0));
        expect(parseTenant(formatTenant(bytes))).toEqual(bytes);
      }),
    );
    expect(() => formatTenant(new Uint8Array(15))).toThrow(/16 bytes/);
  });
});

describe('canonical JSON', () => {
  test('says the same as JSON and is a fixed point', () => {
    const wellFormed = fc.jsonValue({ maxDepth: 6 }).filter((value) => JSON.stringify(value).isWellFormed());
    fc.assert(
      fc.property(wellFormed, (value) => {
        const text = accepted(() => canonicalJson(value as JsonValue));
        fc.pre(text !== undefined);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(JSON.parse(text))).toBe(text);
      }),
    );
  });

  test('refuses what has no canonical form', () => {
    const nest = (depth: number): JsonValue => (depth === 0 ? 1 : [nest(depth - 1)]);
    expect(canonicalJson(nest(jsonDepthMax))).toHaveLength(jsonDepthMax * 2 + 1);
    const refused: unknown[] = [
      Number.NaN,
      Infinity,
      '\ud800',
      { '\udfff': 1 },
      undefined,
      { a: undefined },
      1n,
      new Date(0),
    ];
    for (const value of [...refused, nest(jsonDepthMax + 1)]) {
      expect(accepted(() => canonicalJson(value as JsonValue))).toBeUndefined();
    }
  });
});

describe('manifests', () => {
  test('round-trip, whatever the order of their input, and find what they hold', () => {
    fc.assert(
      fc.property(entries, path, fc.infiniteStream(fc.nat()), (files, absent, keys) => {
        const bytes = encodeManifest(files);
        const shuffled = files.map((file) => ({ file, key: keys.next().value as number }));
        shuffled.sort((left, right) => left.key - right.key);
        expect(encodeManifest(shuffled.map(({ file }) => file))).toEqual(bytes);
        const manifest = parseManifest(bytes);
        expect(canonicalJson(manifest as unknown as JsonValue)).toBe(new TextDecoder().decode(bytes));
        for (const file of files) expect(findEntry(manifest, file.path)).toEqual(file);
        expect(findEntry(manifest, absent)).toEqual(files.find((file) => file.path === absent));
      }),
    );
  });

  test('any changed byte is refused or is another manifest', () => {
    fc.assert(
      fc.property(entries, fc.nat(), fc.integer({ min: 1, max: 255 }), (files, at, flip) => {
        const bytes = encodeManifest(files);
        bytes[at % bytes.length]! ^= flip;
        const manifest = accepted(() => parseManifest(bytes));
        if (manifest !== undefined) expect(encodeManifest(manifest.entries)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  test('serve index.html for a folder', () => {
    const file = (name: string) => ({ path: name, address: `b3:${'0'.repeat(64)}`, size: 0, mime: 'text/html' });
    const manifest = parseManifest(encodeManifest(['index.html', 'a/index.html', 'a/b.html', 'c'].map(file)));
    const served = (asked: string) => findEntryOrIndex(manifest, asked)?.path;
    expect(['', 'a', 'a/', 'a/b.html', 'c'].map(served)).toEqual([
      'index.html',
      'a/index.html',
      'a/index.html',
      'a/b.html',
      'c',
    ]);
    expect(['/', 'c/', 'a/c', 'a//'].map(served)).toEqual([undefined, undefined, undefined, undefined]);
  });

  test('hold as many entries as the limit, and no more', () => {
    const file = (index: number) => ({ path: `${index}`, address: `b3:${'0'.repeat(64)}`, size: 0, mime: 'a/b' });
    const files = Array.from({ length: manifestEntriesMax }, (_, index) => file(index));
    const bytes = encodeManifest(files);
    expect(parseManifest(bytes).entries).toHaveLength(manifestEntriesMax);
    expect(accepted(() => encodeManifest([...files, file(manifestEntriesMax)]))).toBeUndefined();
    expect(accepted(() => parseManifest(new Uint8Array(manifestBytesMax + 1)))).toBeUndefined();
    const long = (index: number) => ({
      ...file(0),
      path: `${'x'.repeat(250)}/${'y'.repeat(250)}/${'z'.repeat(250)}/${index}`,
    });
    expect(accepted(() => encodeManifest(Array.from({ length: 40_000 }, (_, index) => long(index))))).toBeUndefined();
  });

  test('a path given twice is refused', () => {
    const file = { path: 'a', address: `b3:${'0'.repeat(64)}`, size: 0, mime: 'a/b' };
    expect(() => encodeManifest([file, file])).toThrow(/once/);
  });

  test('a media type has at most 255 characters', () => {
    const file = (mime: string) => ({ path: 'a', address: `b3:${'0'.repeat(64)}`, size: 0, mime });
    expect(accepted(() => encodeManifest([file(`a/${'b'.repeat(253)}`)]))).toBeDefined();
    expect(accepted(() => encodeManifest([file(`a/${'b'.repeat(254)}`)]))).toBeUndefined();
  });

  test('meta is bounded', () => {
    const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']));
    expect(parseManifest(encodeManifest([], keys(32))).meta).toEqual(keys(32));
    for (const meta of [keys(33), { 'Not a key': 'v' }, { a: 'v'.repeat(1025) }]) {
      expect(accepted(() => encodeManifest([], meta))).toBeUndefined();
    }
  });
});
