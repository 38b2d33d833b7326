import type { LookupAddress } from 'node:dns';
import { describe, expect, it, test } from 'vitest';
import { errorCode } from '../../env/system-error.ts';
import { createHttpClient } from './client.ts';
import { createGuardedLookup } from './guarded-lookup.ts';
import { isPublicAddress } from './public-address.ts';

describe('addresses of the public Internet', () => {
  test.each([
    '8.8.8.8',
    '1.1.1.1',
    '172.15.255.255',
    '172.32.0.0',
    '169.253.255.255',
    '2606:4700::1111',
    '::ffff:8.8.8.8',
  ])('%s is one', (address) => expect(isPublicAddress(address)).toBe(true));

  test.each([
    ...['127.0.0.1', '127.255.255.255', '10.0.0.0', '172.16.0.0', '172.31.255.255', '192.168.1.1', '169.254.169.254'],
    ...['0.0.0.0', '100.64.0.1', '224.0.0.1', '255.255.255.255', '::1', '::', 'fe80::1', 'fe80::1%eth0', 'fd00::1'],
    ...['::ffff:127.0.0.1', '::ffff:a00:1', '::127.0.0.1', '64:ff9b::a9fe:a9fe', '2002:7f00:1::', 'ff02::1', 'x', ''],
  ])('%s is none', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('a guarded lookup', () => {
  const answers = (addresses: readonly string[]): Promise<readonly LookupAddress[]> =>
    Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  const look = (addresses: readonly string[], all: boolean) =>
    new Promise((resolve) => {
      const lookup = createGuardedLookup(isPublicAddress, () => answers(addresses));
      lookup('a.example', { all }, (error, found) => resolve(error === null ? found : errorCode(error)));
    });

  it('gives out allowed addresses only', async () => {
    expect(await look(['127.0.0.1', '8.8.8.8'], false)).toBe('8.8.8.8');
    expect(await look(['::1', '8.8.8.8', '1.1.1.1'], true)).toEqual(await answers(['8.8.8.8', '1.1.1.1']));
  });

  it.each([[['127.0.0.1']], [['169.254.169.254', 'fe80::1']], [[]]])('fails with EACCES for %j', async (addresses) => {
    expect(await look(addresses, false)).toBe('EACCES');
    expect(await look(addresses, true)).toBe('EACCES');
  });
});

describe('a client with allowAddress', () => {
  const request = { method: 'GET', target: '/', fieldLines: [] };

  it('does not connect to a name that means this machine', async () => {
    const client = createHttpClient({
      origin: { secure: false, host: 'localhost', port: 9 },
      allowAddress: isPublicAddress,
    });
    await expect(client.request(request)).rejects.toMatchObject({ code: 'EACCES' });
    client.close();
  });

  it('asks about no literal address', async () => {
    const origin = { secure: false, host: '127.0.0.1', port: 9 };
    const client = createHttpClient({ origin, allowAddress: () => false });
    await expect(client.request(request)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    client.close();
  });
});
