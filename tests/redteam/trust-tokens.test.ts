import { createHmac, randomBytes, sign } from 'node:crypto';
import { attenuateBiscuit } from '@ron/auth';
import { attenuate, type Caveat, encodeIdentifier, type Hmac, mintToken, parseToken } from '@ron/cap';
import type { KeyEntry } from '@ron/proto/kms';
import type { JwkSet } from '@ron/proto/passport';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { expectRefusal } from './oracle.ts';
import { announce, append, forge, keyOfSeed, putTogether, takeApart, thirdParty } from './raw-biscuit.ts';
import { call, everything, expectRefusedEverywhere, issue, ok, onOap, post } from './trust-client.ts';

const hmac: Hmac = (key, message) => createHmac('sha512-256', key).update(message).digest();
const hour = 3_600_000;
const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)) };
const oap = ['--oap', '127.0.0.1:0', '--set', 'server.log_level=info'];
const tokenId = '019ab4f2-c400-7abc-8def-0123456789ab';
const allRights = JSON.stringify({ rights: everything });

let node: NodeProcess;
let other: NodeProcess;
let address: string;
/** Of the scheme ed25519, with two attenuations that take nothing away. */
let token: string;
let foreign: string;
let keys: JwkSet['keys'];
let hmacKid: string;
/** A key that an administrator made, which does work for whoever may use it. */
let tenantKey: KeyEntry;

beforeAll(async () => {
  [node, other] = await Promise.all([startNodeProcess({ args: oap }), startNodeProcess({ args: oap })]);
  address = (await ok<{ address: string }>(call(node, 'PUT', '/put', { body: 'kept' }))).address;
  token = weaker((await issue(node, { scheme: 'ed25519' })).capability, [{ nbf: 1 }], [{ nbf: 2 }]);
  foreign = (await issue(other, { scheme: 'ed25519' })).capability;
  keys = (await ok<JwkSet>(call(node, 'GET', '/passport/keys', { token: '' }))).keys;
  hmacKid = parseToken(node.capability).identifier.kid;
  tenantKey = await ok(post(node, '/kms/keys', { tenant: 'acme', purpose: 'invoices', alg: 'ed25519' }));
});
afterAll(() => Promise.all([node[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]));

/** One block for each list. */
const weaker = (from: string, ...blocks: readonly (readonly Caveat[])[]) =>
  blocks.reduce((each, caveats) => attenuateBiscuit(each, caveats, random), from);
const without = <T>(list: readonly T[], index: number) => list.filter((_, each) => each !== index);
const identifierOf = (kid: string) =>
  Buffer.from(encodeIdentifier({ kid, id: tokenId, tenant: '', subject: 'mallory', audience: 'ron' })).toString();
const kid = () => keys[0]!.kid;
const byStranger = () => {
  const { seed } = announce();
  return (payload: Buffer) => sign(null, payload, keyOfSeed(seed));
};
const byTenantKey = async (payload: Buffer) => {
  const body = { kid: tenantKey.kid, payload_base64: payload.toString('base64') };
  const signed = await ok<{ signature_base64: string }>(post(node, '/kms/sign', body));
  return Buffer.from(signed.signature_base64, 'base64');
};
const ownTag = (secret: Uint8Array) => (message: Uint8Array) => hmac(secret, message);
const hmacUnder = (kid: string, secret: Uint8Array = randomBytes(32)) =>
  mintToken(
    { kid, id: tokenId, tenant: '', subject: 'mallory', audience: 'ron' },
    everything,
    [],
    ownTag(secret),
    hmac,
  );
const mangled = (change: (raw: ReturnType<typeof takeApart>) => ReturnType<typeof takeApart>) =>
  putTogether(change(takeApart(token)));

/** By what the log and the counter call it. */
const attacks: Record<string, [reason: string, make: () => string | Promise<string>]> = {
  'the body of an HMAC chain behind the other prefix': ['malformed', () => node.capability.replace('ron1_', 'ron1b_')],
  'the body of an Ed25519 chain behind the other prefix': ['malformed', () => token.replace('ron1b_', 'ron1_')],
  'issued by another node': ['unknown_key', () => foreign],
  "issued by another node, renamed to this node's key": [
    'wrong_tag',
    () => forge(identifierOf(kid()), [allRights], byStranger()),
  ],
  'signed by a stranger under a key id that is not there': [
    'unknown_key',
    () => forge(identifierOf(kid().replace(/.{12}#/, '000000000000#')), [allRights], byStranger()),
  ],
  'signed with a key that an administrator made here': [
    'unknown_key',
    () => forge(identifierOf(tenantKey.kid), [allRights], byTenantKey),
  ],
  "signed with an administrator's key under the node's key id": [
    'wrong_tag',
    () => forge(identifierOf(kid()), [allRights], byTenantKey),
  ],
  'an Ed25519 chain that names the HMAC key': [
    'unknown_key',
    () => forge(identifierOf(hmacKid), [allRights], byTenantKey),
  ],
  'an HMAC chain that names the Ed25519 key, tagged with its public half': [
    'unknown_key',
    () => hmacUnder(kid(), Buffer.from(keys[0]!.x, 'base64url')),
  ],
  "an HMAC chain under the node's key id, tagged with the public key": [
    'wrong_tag',
    () => hmacUnder(hmacKid, Buffer.from(keys[0]!.x, 'base64url')),
  ],
  expired: ['expired', () => weaker(token, [{ exp: Date.now() - hour }])],
  'expired past the skew': ['expired', () => weaker(token, [{ exp: Date.now() - 62_000 }])],
  'not yet valid': ['not_yet_valid', () => weaker(token, [{ nbf: Date.now() + hour }])],
  'not yet valid past the skew': ['not_yet_valid', () => weaker(token, [{ nbf: Date.now() + 150_000 }])],
  'for another audience': ['wrong_audience', () => weaker(token, [{ audience: 'another-cluster' }])],
  'for another network': ['wrong_address', () => weaker(token, [{ cidr: ['10.0.0.0/8'] }])],
  'truncated by 8 characters': ['malformed', () => token.slice(0, -8)],
  'the first half': ['malformed', () => token.slice(0, token.length >> 1)],
  'only its prefix': ['malformed', () => 'ron1b_'],
  'with something after it': ['malformed', () => `${token}AAAA`],
  'without the last block': ['wrong_tag', () => mangled(({ blocks, seed }) => ({ blocks: blocks.slice(0, -1), seed }))],
  'without the last block, with a secret of the thief': [
    'wrong_tag',
    () => mangled(({ blocks }) => ({ blocks: blocks.slice(0, -1), seed: announce().seed })),
  ],
  'without a block in the middle': [
    'wrong_tag',
    () => mangled(({ blocks, seed }) => ({ blocks: without(blocks, 1), seed })),
  ],
  'with two blocks exchanged': [
    'wrong_tag',
    () => mangled(({ blocks, seed }) => ({ blocks: [blocks[0]!, blocks[2]!, blocks[1]!], seed })),
  ],
  'with a block twice': [
    'wrong_tag',
    () => mangled(({ blocks, seed }) => ({ blocks: [...blocks, blocks.at(-1)!], seed })),
  ],
  "with the first block of another node's token": [
    'unknown_key',
    () => mangled(({ blocks, seed }) => ({ blocks: [takeApart(foreign).blocks[0]!, ...blocks.slice(1)], seed })),
  ],
  'with an unknown caveat, properly signed': [
    'unknown_caveat',
    () => append(token, [['ron_caveat', '{"until_full_moon":true}']]),
  ],
  'with a fact of another name, properly signed': ['unknown_caveat', () => append(token, [['ron_owner', 'mallory']])],
  'with a second identifier, properly signed': [
    'unknown_caveat',
    () => append(token, [['ron_token', identifierOf(kid())]]),
  ],
  'with a caveat that is spelt in another way': [
    'unknown_caveat',
    () => append(token, [['ron_caveat', '{ "exp": 9999999999999 }']]),
  ],
  'with a block signed by a third party': [
    'wrong_tag',
    () => putTogether(takeApart(append(token, [['ron_caveat', '{"nbf":3}']])), [thirdParty]),
  ],
  'of 4,097 characters': ['malformed', () => `ron1b_${'A'.repeat(4_091)}`],
};

describe('Ed25519 chains, and one scheme in the clothes of the other', () => {
  for (const [what, [reason, make]] of Object.entries(attacks)) {
    it(`${what}: 401 over HTTP and OAP/1, for the log ${reason}`, async () => {
      const forged = await make();
      if (forged.length > 4_096) {
        // Over OAP/1 the length is a rule of the frame.
        await expectRefusal(node, { status: 401, code: 'unauthenticated' }, () =>
          call(node, 'GET', `/o/${address}`, { token: forged }),
        );
      } else await expectRefusedEverywhere(node, forged, reason, address);
    });
  }

  it('the token that they are made from is good', async () => {
    expect((await call(node, 'GET', `/o/${address}`, { token })).body.toString()).toBe('kept');
    expect((await onOap(node, { token, op: 'whoami', body: {} })).code).toBe(0);
    const rebuilt = append(putTogether(takeApart(token)), [['ron_caveat', '{"nbf":3}']]);
    expect((await call(node, 'GET', `/o/${address}`, { token: rebuilt })).status).toBe(200);
    const inSkew = weaker(token, [{ exp: Date.now() - 20_000 }, { nbf: Date.now() + 20_000 }]);
    expect((await call(node, 'GET', `/o/${address}`, { token: inSkew })).status).toBe(200);
  });

  it('no flipped bit is accepted', async () => {
    const bytes = Buffer.from(token.slice('ron1b_'.length), 'base64url');
    const accepted: number[] = [];
    for (let bit = 3; bit < bytes.length * 8; bit += 23) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const changed = `ron1b_${flipped.toString('base64url')}`;
      const reply = await call(node, 'GET', `/o/${address}`, { token: changed });
      if (reply.status !== 401) accepted.push(bit);
    }
    expect(accepted).toEqual([]);
  });
});

const paths = [
  '../../keys/keystore.age',
  '../KID',
  './KID',
  'KID/../KID',
  'acme/../KID',
  '/KID',
  'KID%23',
  'KID\0',
  'file:///etc/passwd#1',
  '__proto__',
  'node/capability/none/00000000-0000-7000-8000-000000000000#1',
];
describe('a key id is a name, never a path', () => {
  for (const path of paths) {
    it(JSON.stringify(path), async () => {
      const named = { hmac: path.replaceAll('KID', hmacKid), ed25519: path.replaceAll('KID', kid()) };
      const forged = await forge(identifierOf(named.ed25519), [allRights], byStranger());
      await expectRefusedEverywhere(node, hmacUnder(named.hmac), 'unknown_key', address);
      await expectRefusedEverywhere(node, forged, 'unknown_key', address);
      // Nor where key ids are asked for by whoever may: there it is one that is not there.
      const target = `/kms/keys/${encodeURIComponent(named.ed25519)}`;
      expect([400, 404]).toContain((await call(node, 'GET', target)).status);
    });
  }
});

describe('attenuation never widens', () => {
  const narrow = [{ rights: [{ methods: ['read'], prefix: 'n/docs' }] }] as const satisfies readonly Caveat[];
  const wide = [{ rights: everything }];
  const schemes: Record<string, () => string> = {
    hmac: () => attenuate(attenuate(node.capability, narrow, hmac), wide, hmac),
    ed25519: () => weaker(token, narrow, wide),
    'ed25519 by hand': () => append(weaker(token, narrow), [['ron_caveat', allRights]]),
  };
  for (const [scheme, make] of Object.entries(schemes)) {
    it(`${scheme}: 403 for everything outside`, async () => {
      const widened = make();
      const forbidden = { status: 403, code: 'forbidden' };
      const outside: [string, string, unknown?][] = [
        ['GET', `/o/${address}`],
        ['PUT', '/put', 'x'],
        ['GET', '/name/resolve/other'],
        ['PUT', '/name/docs/x', { address }],
        ['POST', '/passport/issue', { subject: 'mallory', rights: everything }],
        ['GET', '/kms/keys'],
        ['GET', '/audit/export'],
      ];
      for (const [method, target, body] of outside) {
        await expectRefusal(node, forbidden, () => call(node, method, target, { token: widened, body }));
      }
      expect((await call(node, 'GET', '/name/resolve/docs/none', { token: widened })).status).toBe(404);
    });
  }

  it('a limit cannot be raised, and an end cannot be moved', async () => {
    const limited = weaker(token, [{ limits: { body_bytes_max: 4 } }], [{ limits: { body_bytes_max: 1_000_000 } }]);
    await expectRefusal(node, { status: 413, code: 'payload_too_large' }, () =>
      call(node, 'PUT', '/put', { token: limited, body: 'five!' }),
    );
    const ended = weaker(token, [{ exp: Date.now() - hour }], [{ exp: Date.now() + hour }]);
    await expectRefusedEverywhere(node, ended, 'expired', address);
  });
});

it("the node's own keys sign nothing for anybody and nobody makes one, an administrator included", async () => {
  for (const [tenant, purpose] of [
    ['acme', 'capability'],
    ['node', 'invoices'],
  ]) {
    await expectRefusal(node, { status: 403, code: 'forbidden' }, () =>
      post(node, '/kms/keys', { tenant, purpose, alg: 'ed25519' }),
    );
  }
  for (const each of [kid(), hmacKid]) {
    const target = each === kid() ? '/kms/sign' : '/kms/mac';
    await expectRefusal(node, { status: 403, code: 'forbidden' }, () =>
      post(node, target, { kid: each, payload_base64: 'aGVsbG8=' }),
    );
  }
});

it('the log says why, and shows no token', () => {
  for (const reason of ['wrong_tag', 'unknown_key', 'unknown_caveat', 'wrong_audience', 'malformed']) {
    expect(node.stderr()).toContain(`"reason":"${reason}"`);
  }
  expect(node.stderr()).not.toMatch(/ron1b?_[A-Za-z0-9_-]{20}/);
});
