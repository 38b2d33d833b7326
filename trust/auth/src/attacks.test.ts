import { type Caveat, spellingOf } from '@ron/cap';
import { beforeEach, describe, expect, test } from 'vitest';
import type { MintRequest } from './authority.ts';
import { hmac } from './chains.ts';
import { type Bench, createBench, everything } from './fixtures/bench.ts';
import { biscuitHands, hmacHands, type SchemeHands } from './fixtures/schemes.ts';

const otherScheme = { hmac: 'ed25519', ed25519: 'hmac' } as const;
const tokenId = '019ab4f2-c400-7abc-8def-0123456789ab';

describe.each(['hmac', 'ed25519'] as const)('attacks on a capability, scheme %s', (scheme) => {
  let bench: Bench;
  let hands: SchemeHands;
  beforeEach(async () => {
    bench = await createBench();
    hands = scheme === 'hmac' ? hmacHands : biscuitHands(bench.env.random);
  });
  const issue = async (request: Partial<MintRequest> = {}, by = bench.authority) =>
    (await by.issue({ subject: 'alice', rights: everything, scheme, ...request })).token;
  const wall = () => bench.env.clock.wallMs();

  test('no byte can be changed, and none left away', async () => {
    const { bytes } = spellingOf(hands.attenuate(await issue(), [{ exp: wall() + 1000 }]));
    for (let index = 0; index < bytes.length; index += 1) {
      const flipped = Uint8Array.from(bytes);
      flipped[index]! ^= 1 << (index % 8);
      expect(['malformed', 'wrong_tag', 'unknown_key'], `byte ${index}`).toContain(await bench.verdict(flipped));
      expect(await bench.verdict(bytes.subarray(0, index)), `${index} bytes`).toBe('malformed');
    }
    expect(await bench.verdict(Uint8Array.from([...bytes, 0]))).toBe('malformed');
  });

  test('caveats can be neither removed nor exchanged nor moved', async () => {
    const narrow: Caveat[] = [{ nbf: 1 }, { nbf: 2 }, { exp: wall() + 9 }];
    const token = narrow.reduce((each, caveat) => hands.attenuate(each, [caveat]), await issue());
    expect(await bench.verdict(token)).toBe('accepted');
    const mangled = Object.entries(hands.mangle(token));
    expect(mangled.length).toBeGreaterThan(4);
    for (const [name, each] of mangled) expect(await bench.verdict(each), name).toBe('wrong_tag');
  });

  test('a key of the other scheme, of another purpose or tenant begins no chain', async () => {
    const alg = scheme;
    const foreign = [
      await bench.kms.createKey({ tenant: 'node', purpose: 'names', alg }),
      await bench.kms.createKey({ tenant: 'acme', purpose: 'capability', alg }),
    ];
    for (const { kid } of foreign) {
      const identifier = { kid, id: tokenId, tenant: '', subject: 's', audience: 'home' };
      const token = await hands.forge(identifier, ['{"rights":[]}'], bench.kms, kid);
      expect(await bench.verdict(token), kid).toBe('unknown_key');
    }
    // The chain is genuine under the scheme's own key and the name is the other scheme's.
    const signer = bench.kms.currentKey({ alg: scheme, purpose: 'capability', tenant: 'node' })!.kid;
    const { kid } = bench.kms.currentKey({ alg: otherScheme[scheme] })!;
    const identifier = { kid, id: tokenId, tenant: '', subject: 's', audience: 'home' };
    expect(await bench.verdict(await hands.forge(identifier, ['{"rights":[]}'], bench.kms, signer))).toBe(
      'unknown_key',
    );
  });

  test.each([
    (kid: string) => `../${kid}`,
    (kid: string) => `./${kid}`,
    (kid: string) => kid.replace('node/', 'node//'),
    (kid: string) => kid.replace('node/capability', 'acme/../node/capability'),
    (kid: string) => `${kid}/../${kid}`,
    (kid: string) => kid.replace('#1', '#01'),
    (kid: string) => kid.replace('#1', '#2'),
    (kid: string) => kid.toUpperCase(),
    (kid: string) => `${kid}\0`,
    (kid: string) => `file:///dev/null#${kid}`,
    () => '/etc/passwd',
    () => '__proto__',
  ])('a key id is a name and never a path: %s', async (change) => {
    const signer = bench.kms.currentKey({ alg: scheme })!.kid;
    const identifier = { kid: change(signer), id: tokenId, tenant: '', subject: 's', audience: 'home' };
    const token = await hands.forge(identifier, ['{"rights":[]}'], bench.kms, signer);
    expect(await bench.verdict(token)).toBe('unknown_key');
  });

  test("another node's token, and one signed with the wrong key of this node", async () => {
    const other = await createBench({}, 'another node');
    expect(await bench.verdict(await issue({}, other.authority))).toBe('unknown_key');
    const signer = (await bench.kms.createKey({ tenant: 'node', purpose: 'capability', alg: scheme })).kid;
    const first = bench.kms.listKeys({ alg: scheme, purpose: 'capability' })[0]!.kid;
    const identifier = { kid: first, id: tokenId, tenant: '', subject: 's', audience: 'home' };
    expect(await bench.verdict(await hands.forge(identifier, ['{"rights":[]}'], bench.kms, signer))).toBe('wrong_tag');
  });
});

test('the public key of an Ed25519 chain is no MAC key', async () => {
  // The classic confusion: what everybody knows of one scheme serves as the secret of the other.
  const bench = await createBench();
  const { kid } = bench.kms.currentKey({ alg: 'ed25519' })!;
  const publicKey = bench.kms.publicKey(kid);
  const confused = { mac: (_kid: string, bytes: Uint8Array) => hmac(publicKey, bytes) } as never;
  const identifier = { kid, id: tokenId, tenant: '', subject: 's', audience: 'home' };
  const token = await hmacHands.forge(identifier, [`{"rights":${JSON.stringify(everything)}}`], confused, kid);
  expect(await bench.verdict(token)).toBe('unknown_key');
  expect(await bench.verdict(token.replace('ron1_', 'ron1b_'))).toBe('malformed');
});

test.each(['', 'ron1_', 'ron1b_', 'ron2_AAAA', 'x'.repeat(4097), 'Bearer ron1_AAAA', 'b'.repeat(300), 'RON1_AAAA'])(
  '%s is malformed',
  async (text) => {
    const bench = await createBench();
    expect(await bench.verdict(text)).toBe('malformed');
    expect(await bench.verdict(Buffer.from(text))).toBe('malformed');
  },
);

test('an unknown key costs the same work as a wrong tag', async () => {
  const bench = await createBench();
  let macs = 0;
  const mac = (kid: string, bytes: Uint8Array) => {
    macs += 1;
    return bench.kms.mac(kid, bytes);
  };
  const counting = Object.create(bench.kms, { mac: { value: mac } });
  const authority = await bench.make({ kms: counting });
  const signer = bench.kms.currentKey({ alg: 'hmac' })!.kid;
  const work = async (kid: string) => {
    const identifier = { kid, id: tokenId, tenant: '', subject: 's', audience: 'home' };
    const token = await hmacHands.forge(identifier, ['{"rights":[]}', '{"nbf":0}'], bench.kms, signer);
    macs = 0;
    const verdict = await bench.verdict(`${token.slice(0, -4)}AAAA`, {}, authority);
    return { verdict, macs };
  };
  expect(await work(signer)).toEqual({ verdict: 'wrong_tag', macs: 1 });
  expect(await work('node/capability/hmac/0192f3a0-0000-7000-8000-000000000009#1')).toEqual({
    verdict: 'unknown_key',
    macs: 1,
  });
});
