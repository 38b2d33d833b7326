import type { Right } from '@ron/proto/capability';
import type { ScopeMethod } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBase64Url, encodeBase64Url } from './base64url.ts';
import { type Caveat, decodeCaveat, encodeCaveat } from './caveat.ts';
import { cidrContains, parseAddressBytes, parseCidr } from './cidr.ts';
import { hmac } from './hmac.ts';
import { decodeIdentifier, encodeIdentifier, mintedAtMs } from './identifier.ts';
import { caveatsMax, partyBytesMax, prefixBytesMax } from './limits.ts';
import { encodePackets } from './packet.ts';
import { attenuate, chain, mintToken, parseToken } from './token.ts';
import { grantAllows, grantOf } from './view.ts';

const rootKey = new Uint8Array(32).fill(1);
const rootMac = (message: Uint8Array) => hmac(rootKey, message);
const identifier = {
  kid: 'node/capability/hmac/0192f3a0-0000-7000-8000-000000000001#1',
  id: '019ab4f2-c400-7abc-8def-0123456789ab',
  tenant: '',
  subject: 'alice',
  audience: 'here',
};
const all: Right[] = [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }];
const mint = (...conditions: Caveat[]) => mintToken(identifier, all, conditions, rootMac, hmac);

const method = fc.constantFrom<ScopeMethod>('read', 'write', 'delete', 'list', 'admin');
const resource = fc
  .array(fc.constantFrom('n', 'o', 'a', 'ab', 'b', 'docs', '', 'admin'), { maxLength: 4 })
  .map((parts) => parts.join('/'));
const right: fc.Arbitrary<Right> = fc.record({
  methods: fc.uniqueArray(method, { minLength: 1, maxLength: 5 }),
  prefix: resource,
});
const caveat: fc.Arbitrary<Caveat> = fc.oneof(
  fc.record({ rights: fc.array(right, { maxLength: 3 }) }),
  fc.record({ nbf: fc.maxSafeNat() }),
  fc.record({ exp: fc.maxSafeNat() }),
  fc.record({ audience: fc.constantFrom('here', 'there') }),
  fc.record({ cidr: fc.constantFrom(['10.0.0.0/8'], ['::1', '192.0.2.0/24']) }),
  fc.record({
    limits: fc.record(
      {
        bytes_max: fc.maxSafeNat(),
        body_bytes_max: fc.nat(),
        requests_per_second: fc.double({ min: 0.001, max: 1e6, noNaN: true }),
      },
      { requiredKeys: [] },
    ),
  }),
);
const caveats = fc.array(caveat, { maxLength: 5 });

function isGenuine(capability: string | Uint8Array): boolean {
  try {
    const token = parseToken(capability);
    const bytes = token.caveats.map((each) => each.bytes);
    return Buffer.from(chain(rootMac(token.identifierBytes), bytes, hmac)).equals(token.tag);
  } catch (error) {
    if (error instanceof RonError) return false;
    throw error;
  }
}

describe('properties', () => {
  test('what is minted reads back, and minting is attenuating', () => {
    fc.assert(
      fc.property(caveats, (list) => {
        const token = parseToken(mint(...list));
        expect(token.identifier).toEqual(identifier);
        expect(token.caveats.map((each) => each.caveat)).toEqual([{ rights: all }, ...list]);
        expect(attenuate(mint(), list, hmac)).toBe(mint(...list));
      }),
      { numRuns: 50 },
    );
  });

  test('attenuation never widens', () => {
    fc.assert(
      fc.property(caveats, caveats, fc.array(fc.tuple(method, resource), { minLength: 5 }), (first, more, asked) => {
        const before = mint(...first);
        const [wide, narrow] = [grantOf(parseToken(before)), grantOf(parseToken(attenuate(before, more, hmac)))];
        for (const [verb, what] of asked) {
          if (grantAllows(narrow, verb, what)) expect(grantAllows(wide, verb, what)).toBe(true);
        }
        expect(narrow.notBeforeMs).toBeGreaterThanOrEqual(wide.notBeforeMs);
        expect(narrow.expiresAtMs).toBeLessThanOrEqual(wide.expiresAtMs);
        for (const name of ['bytes_max', 'requests_per_second', 'body_bytes_max'] as const) {
          expect(narrow.limits[name] ?? Infinity).toBeLessThanOrEqual(wide.limits[name] ?? Infinity);
        }
        expect(narrow.cidrs.slice(0, wide.cidrs.length)).toEqual(wide.cidrs);
      }),
      { numRuns: 150 },
    );
  });

  test('a list that is allowed shows nothing that reading would refuse', () => {
    fc.assert(
      fc.property(right, resource, fc.string({ maxLength: 5 }), (allowed, prefix, rest) => {
        const grant = {
          ...grantOf(parseToken(mint())),
          rights: [[{ ...allowed, methods: ['list', 'read'] as ScopeMethod[] }]],
        };
        if (grantAllows(grant, 'list', prefix)) expect(grantAllows(grant, 'read', prefix + rest)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('every single flipped bit is refused', () => {
    const text = mint({ exp: 99 });
    const bytes = Buffer.from(text.slice(5), 'base64url');
    expect(isGenuine(bytes)).toBe(true);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Uint8Array.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(isGenuine(flipped), `bit ${bit}`).toBe(false);
    }
  });

  test('removing, repeating or exchanging caveats is refused', () => {
    const parts = parseToken(mint({ exp: 9 }, { nbf: 1 }, { audience: 'here' }));
    const genuine = (list: readonly Uint8Array[]) =>
      Buffer.from(chain(rootMac(parts.identifierBytes), list, hmac)).equals(parts.tag);
    const bytes = parts.caveats.map((each) => each.bytes);
    expect(genuine(bytes)).toBe(true);
    const order = fc.array(fc.nat({ max: bytes.length - 1 }), { maxLength: 6 });
    fc.assert(
      fc.property(order, (indices) => {
        fc.pre(indices.join() !== '0,1,2,3');
        expect(genuine(indices.map((index) => bytes[index]!))).toBe(false);
      }),
    );
  });

  test('arbitrary bytes are refused, never a crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, framed) => {
        expect(isGenuine(framed ? Uint8Array.from([2, 2, ...bytes]) : bytes)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test('base64url: one spelling each', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = encodeBase64Url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64url'));
        expect(decodeBase64Url(text)).toEqual(bytes);
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 12, unit: fc.constantFrom(...'AQgwZ_-=+ é') }), (text) => {
        const bytes = decodeBase64Url(text);
        if (bytes !== undefined) expect(encodeBase64Url(bytes)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});

describe('limits: one below, at, one above', () => {
  test.each([caveatsMax - 1, caveatsMax, caveatsMax + 1])('%i caveats', (count) => {
    const task = () => attenuate(mint(), new Array<Caveat>(count - 1).fill({ exp: 1 }), hmac);
    if (count > caveatsMax) expect(task).toThrow(/at most 64/);
    else expect(parseToken(task()).caveats).toHaveLength(count);
  });

  test.each([partyBytesMax - 1, partyBytesMax, partyBytesMax + 1])('a subject of %i bytes', (size) => {
    const task = () => encodeIdentifier({ ...identifier, subject: 'a'.repeat(size) });
    if (size > partyBytesMax) expect(task).toThrow(/at most 128/);
    else expect(decodeIdentifier(task()).subject).toHaveLength(size);
  });

  test.each([prefixBytesMax - 1, prefixBytesMax, prefixBytesMax + 1])('a prefix of %i bytes', (size) => {
    const task = () => encodeCaveat({ rights: [{ methods: ['read'], prefix: 'a'.repeat(size) }] });
    if (size > prefixBytesMax) expect(task).toThrow(/malformed caveat/);
    else expect(decodeCaveat(task())).toBeDefined();
  });

  test('packets cannot be made past the limits either', () => {
    const part = new Uint8Array(10);
    const caveats = new Array<Uint8Array>(caveatsMax + 1).fill(part);
    expect(() => encodePackets({ identifier: part, caveats, tag: new Uint8Array(32) })).toThrow(/at most 64/);
  });

  test('nor read, nor grow, past 3,068 bytes', () => {
    expect(() => parseToken(new Uint8Array(3069).fill(2))).toThrow(/at most 3068 bytes/);
    const right = { methods: ['read' as const], prefix: 'n/'.padEnd(512, 'a') };
    expect(() => attenuate(mint(), [{ rights: new Array<Right>(6).fill(right) }], hmac)).toThrow(/at most 3068 bytes/);
  });

  test('an identifier without a key id is refused', () => {
    for (const kid of ['', 'k'.repeat(161)]) {
      expect(() => encodeIdentifier({ ...identifier, kid })).toThrow(/malformed/);
    }
    expect(decodeIdentifier(encodeIdentifier({ ...identifier, kid: 'k'.repeat(160) })).kid).toHaveLength(160);
  });

  test.each([15, 16, 17])('%i ranges', (count) => {
    const task = () => encodeCaveat({ cidr: new Array<string>(count).fill('::/0') });
    if (count > 16) expect(task).toThrow(/malformed caveat/);
    else expect(decodeCaveat(task())).toBeDefined();
  });

  test('a text longer than 4,096 is refused before it is decoded, in either form', () => {
    expect(() => parseToken(`ron1_${'A'.repeat(4092)}`)).toThrow(/at most 4096/);
    expect(() => parseToken(new Uint8Array(4097))).toThrow(/at most 4096/);
  });
});

describe('addresses', () => {
  test.each([
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '256.1.1.1',
    '1::2::3',
    ':1',
    '1:2:3:4:5:6:7:8:9',
    '::1%eth0',
    '12345::',
    '1.2.3.4:80',
    '::1.2.3',
    '1:2:3:4:5:6:7::8',
    '1'.repeat(46),
    '[::1]',
  ])('%s is none', (text) => expect(parseAddressBytes(text)).toBeUndefined());

  test('the spellings of one address are the same bytes', () => {
    const mapped = parseAddressBytes('::ffff:192.0.2.1');
    expect(mapped).toEqual(parseAddressBytes('192.0.2.1'));
    expect(parseCidr('192.0.2.1')).toEqual({ network: mapped, bits: 128 });
    expect(parseCidr('2001:db8::/33')!.bits).toBe(33);
    expect(mapped).toEqual(parseAddressBytes('0:0:0:0:0:FFFF:c000:201'));
  });

  test.each(['10.0.0.0/', '10.0.0.0/33', '10.0.0.0/08', '::/129', '::/-1', '10.0.0.0/8/8', 'x/8'])(
    '%s is no range',
    (text) => expect(parseCidr(text)).toBeUndefined(),
  );

  test('a range holds exactly the addresses that share its leading bits', () => {
    const octets = fc.uint8Array({ minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(octets, octets, fc.nat({ max: 32 }), (network, address, bits) => {
        const number = (bytes: Uint8Array) => Buffer.from(bytes).readUInt32BE();
        const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
        const expected = ((number(network) & mask) ^ (number(address) & mask)) === 0;
        const range = parseCidr(`${network.join('.')}/${bits}`)!;
        expect(cidrContains(range, parseAddressBytes(address.join('.'))!)).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });
});

test('the time of minting is in the id, in both spellings', () => {
  expect(mintedAtMs('019ab4f2-c400-7abc-8def-0123456789ab')).toBe(0x019ab4f2c400);
  expect(mintedAtMs('01ARZ3NDEKTSV4RRFFQ69G5FAV')).toBe(1469922850259);
});
