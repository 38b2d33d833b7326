import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clientAddressOf, type ForwardedField, parseTrustedProxies } from './client-address.ts';

const trusted = parseTrustedProxies(['10.0.0.0/8', 'fd00::/8', '192.0.2.7']);
const proxy = '10.0.0.1';
const through = (value: string, field: ForwardedField = 'x-forwarded-for', remote = proxy) =>
  clientAddressOf(remote, { [field]: value }, trusted, field);

const ofNet = (net: string) => fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]) => `${net}.${a}.${b}`);
const proxies = ofNet('10.1');
const strangers = ofNet('203.0');

describe('who is trusted', () => {
  test.each([
    ['10.255.0.1', true],
    ['11.0.0.0', false],
    ['9.255.255.255', false],
    ['::ffff:10.1.2.3', true],
    ['fd12::1', true],
    ['fe80::1%eth0', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['unix', false],
    ['', false],
  ])('%s: %s', (address, isTrusted) => expect(trusted(address)).toBe(isTrusted));

  test('peers of a Unix socket are named by "unix", nobody by an empty list', () => {
    expect(parseTrustedProxies(['unix'])('unix')).toBe(true);
    for (const address of ['unix', '127.0.0.1', '::1']) expect(parseTrustedProxies([])(address)).toBe(false);
  });

  test.each(['10.0.0.0/33', 'localhost', '10.0.0', '', '10.0.0.0/8 '])('%j is no range', (entry) => {
    expect(() => parseTrustedProxies([entry])).toThrow(RangeError);
  });
});

describe('the client behind a trusted proxy', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['6.6.6.6, 203.0.113.9', '203.0.113.9'],
    ['6.6.6.6, 203.0.113.9, 10.2.2.2', '203.0.113.9'],
    ['203.0.113.9:4711', '203.0.113.9'],
    ['2001:DB8::9', '2001:db8::9'],
    ['[2001:db8::9]:4711', '2001:db8::9'],
    ['10.2.2.2', '10.2.2.2'],
    ['203.0.113.9, garbage', proxy],
    ['203.0.113.9, garbage, 10.2.2.2', '10.2.2.2'],
    ['203.0.113.9,', proxy],
    ['', proxy],
    ['unknown', proxy],
    ['203.0.113.09', proxy],
    ['203.0.113.9:', proxy],
  ])('X-Forwarded-For: %s', (value, client) => expect(through(value)).toBe(client));

  test.each([
    ['for=203.0.113.9', '203.0.113.9'],
    ['For="[2001:db8::17]:4711";proto=https;by=10.0.0.1', '2001:db8::17'],
    ['for=6.6.6.6, for=203.0.113.9;host=n', '203.0.113.9'],
    ['for=203.0.113.9, for=10.2.2.2', '203.0.113.9'],
    ['for=unknown', proxy],
    ['for=_hidden', proxy],
    ['proto=https', proxy],
    ['for=203.0.113.9;for=6.6.6.6', proxy],
    ['for="a, for=203.0.113.9', '203.0.113.9'],
    ['for="6.6.6.6\\", for=203.0.113.9', '203.0.113.9'],
  ])('Forwarded: %s', (value, client) => expect(through(value, 'forwarded')).toBe(client));

  test('only the field that the proxies write is read', () => {
    const both = { forwarded: 'for=6.6.6.6', 'x-forwarded-for': '203.0.113.9', 'x-real-ip': '6.6.6.6' };
    expect(clientAddressOf(proxy, both, trusted)).toBe('203.0.113.9');
    expect(clientAddressOf(proxy, both, trusted, 'forwarded')).toBe('6.6.6.6');
    expect(clientAddressOf(proxy, { 'x-real-ip': '6.6.6.6' }, trusted)).toBe(proxy);
  });

  test('16 proxies in a row are believed, the 17th is not asked', () => {
    const row = (count: number) =>
      ['203.0.113.9', ...Array.from({ length: count }, (_, i) => `10.3.3.${i}`)].join(', ');
    expect(through(row(15))).toBe('203.0.113.9');
    expect(through(row(16))).toBe('10.3.3.0');
  });
});

describe('properties', () => {
  test('from an untrusted peer nothing changes, whatever the fields say', () => {
    fc.assert(
      fc.property(
        strangers,
        fc.string(),
        fc.constantFrom<ForwardedField>('forwarded', 'x-forwarded-for'),
        (peer, value, field) => {
          expect(through(value, field, peer)).toBe(peer);
        },
      ),
    );
  });

  test('whatever the client wrote before the proxies added their part, its own address is found', () => {
    const claims = fc.oneof(fc.string(), proxies, strangers, fc.constantFrom('"', 'for="', ',', 'for=10.0.0.1'));
    fc.assert(
      fc.property(fc.array(claims), strangers, fc.array(proxies, { maxLength: 8 }), (forged, client, row) => {
        const hops = [client, ...row];
        expect(through([...forged, ...hops].join(', '))).toBe(client);
        const elements = [...forged, ...hops.map((hop) => `for="${hop}:1";proto=https`)];
        expect(through(elements.join(', '), 'forwarded')).toBe(client);
      }),
    );
  });

  test('the result is the peer or an address that stands in the field', () => {
    const part = fc.constantFrom(
      '10.0.0.9',
      '203.0.113.5',
      '[::1]:80',
      'for=',
      '"',
      ',',
      ';',
      ' ',
      ':',
      '\\',
      'x',
      '::',
    );
    fc.assert(
      fc.property(fc.array(part), fc.constantFrom<ForwardedField>('forwarded', 'x-forwarded-for'), (parts, field) => {
        const client = through(parts.join(''), field);
        expect(client === proxy || parts.join('').includes(client)).toBe(true);
      }),
    );
  });
});
