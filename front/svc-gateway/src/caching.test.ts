import { describe, expect, it } from 'vitest';
import { cachingOfAddress, cachingOfName } from './caching.ts';
import { configOf } from './fixtures/start-gateway.ts';

const address = `b3:${'a'.repeat(64)}`;

function openName(prefix: string, path: string): boolean {
  return cachingOfName(configOf({ public_prefixes: ['o/none', prefix] }).current(), path).isPublic;
}

describe('what everyone may read', () => {
  it.each([
    ['n/site', 'site'],
    ['n/site', 'site/'],
    ['n/site', 'site/page.html'],
    ['n/site/', 'site/'],
    ['n/site/', 'site/page.html'],
    ['n/', 'anything'],
    ['', 'anything'],
  ])('the prefix "%s" covers %s', (prefix, path) => {
    expect(openName(prefix, path)).toBe(true);
  });

  it.each([
    ['n/site', 'site2'],
    ['n/site', 'sit'],
    ['n/site', 'x/site'],
    ['n/site/', 'site'],
    ['o/', 'site'],
    ['site', 'site'],
  ])('the prefix "%s" does not cover %s', (prefix, path) => {
    expect(openName(prefix, path)).toBe(false);
  });

  it('covers addresses one by one or all', () => {
    const cachingOf = (prefix: string) => cachingOfAddress(configOf({ public_prefixes: [prefix] }).current(), address);
    expect([`o/${address}`, 'o/', 'o', ''].map((prefix) => cachingOf(prefix).isPublic)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect([`o/${address.slice(0, -1)}`, `o/${address}/`, 'n/'].map((prefix) => cachingOf(prefix).isPublic)).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe('how long an answer lasts', () => {
  it('a year under an address, as configured under a name', () => {
    const config = configOf({ name_max_age_s: 7 }).current();
    expect(cachingOfAddress(config, address).cacheControl).toBe('private, max-age=31536000, immutable');
    expect(cachingOfName(config, 'a').cacheControl).toBe('private, max-age=7, must-revalidate');
  });
});
