import { createHmac, randomBytes } from 'node:crypto';
import { attenuate, type Caveat, chain, type Hmac, inspect, mintToken, parseToken } from '@ron/cap';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { envelopeIn, request } from './oap-attack.ts';
import { baseline, expectRefusal } from './oracle.ts';
import { verdictOf, verdictOnOap } from './polite.ts';
import { ask } from './raw-http.ts';
import { RawOap } from './raw-oap.ts';
import { envelopeOf } from './signs.ts';

const hmac: Hmac = (key, message) => createHmac('sha512-256', key).update(message).digest();
const allRights = [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }] as const;

let node: NodeProcess;
let address: string;
beforeAll(async () => {
  node = await startNodeProcess({ args: ['--set', 'server.log_level=info', '--oap', '127.0.0.1:0'] });
  const stored = await call(node.capability, 'PUT', '/put', 'kept');
  address = (JSON.parse(stored.body.toString()) as { address: string }).address;
});
afterAll(() => node[Symbol.asyncDispose]());

/** Answered once the node looked at the token: see `verdictOf`. */
const call = (token: string | undefined, method: string, target: string, body?: string) =>
  verdictOf(() =>
    ask(node.port, {
      method,
      target,
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body }),
    }),
  );
/** On a connection of its own, and again while the node puts off looking at the capability. */
const onOap = (bytes: Uint8Array) =>
  verdictOnOap(async () => {
    using client = await new RawOap(node.oapPort).ready();
    client.say(bytes);
    return await client.answer(1);
  });
const owner = () => parseToken(node.capability);
const weaker = (...caveats: Caveat[]) => attenuate(node.capability, caveats, hmac);
const text = (bytes: Uint8Array) => `ron1_${Buffer.from(bytes).toString('base64url')}`;

/** The packets by hand, so that what the library refuses to write can be sent. */
function assemble(identifier: Uint8Array, caveats: readonly Uint8Array[], tag: Uint8Array): string {
  const section = (data: Uint8Array) => {
    const size = data.length < 128 ? [data.length] : [(data.length & 127) | 128, data.length >> 7];
    return Buffer.concat([Buffer.of(2, ...size), data, Buffer.of(0)]);
  };
  return text(Buffer.concat([Buffer.of(2), section(identifier), ...caveats.map(section), Buffer.of(0, 6, 32), tag]));
}

const rebuilt = (change: (caveats: Uint8Array[]) => Uint8Array[]) => {
  const { identifierBytes, caveats, tag } = owner();
  return assemble(identifierBytes, change(caveats.map(({ bytes }) => bytes)), tag);
};

function flipped(bit: number): string {
  const bytes = Buffer.from(node.capability.slice(5), 'base64url');
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  return text(bytes);
}

const hour = 3_600_000;
/** Forged, foreign, out of their time or out of their place: all the same to the caller. */
const invalid: Record<string, () => string | undefined> = {
  none: () => undefined,
  'made by another node': () =>
    mintToken(owner().identifier, [...allRights] as never, [], (message) => hmac(randomBytes(32), message), hmac),
  'made under a key id that does not exist': () => {
    const { identifier } = owner();
    const kid = identifier.kid.replace(/[0-9a-f]{12}#?/, '000000000000');
    return mintToken(
      { ...identifier, kid },
      [...allRights] as never,
      [],
      (message) => hmac(randomBytes(32), message),
      hmac,
    );
  },
  expired: () => weaker({ exp: Date.now() - hour }),
  'expired past the skew': () => weaker({ exp: Date.now() - 62_000 }),
  'not yet valid': () => weaker({ nbf: Date.now() + hour }),
  'not yet valid past the skew': () => weaker({ nbf: Date.now() + 150_000 }),
  'for another audience': () => weaker({ audience: 'another-cluster' }),
  'for another network': () => weaker({ cidr: ['10.0.0.0/8'] }),
  'bound to a key that nobody has shown': () => weaker({ key: randomBytes(32).toString('base64url') }),
  truncated: () => node.capability.slice(0, -8),
  'half of it': () => node.capability.slice(0, node.capability.length >> 1),
  'only its prefix': () => 'ron1_',
  'with something after it': () => `${node.capability}AAAA`,
  'in padded base64': () => `${node.capability}==`,
  'with another prefix': () => node.capability.replace('ron1_', 'ron2_'),
  'with its caveats reordered': () => rebuilt((caveats) => caveats.toReversed()),
  'with a caveat removed': () => rebuilt((caveats) => caveats.slice(0, -1)),
  'with all caveats removed': () => rebuilt(() => []),
  'with a caveat twice': () => rebuilt((caveats) => [...caveats, caveats[0]!]),
  'with a caveat appended under the old tag': () => rebuilt((caveats) => [...caveats, Buffer.from('{"exp":1}')]),
  'with wider rights in place': () =>
    rebuilt((caveats) =>
      caveats.map((bytes) => Buffer.from(Buffer.from(bytes).toString().replace('"exp":1', '"exp":2'))),
    ),
  'with an unknown caveat, properly chained': () => {
    const { identifierBytes, caveats, tag } = owner();
    const added = Buffer.from('{"until_full_moon":true}');
    return assemble(identifierBytes, [...caveats.map(({ bytes }) => bytes), added], chain(tag, [added], hmac));
  },
  'with 65 caveats, properly chained': () => {
    const { identifierBytes, caveats, tag } = owner();
    const added = Array.from({ length: 65 - caveats.length }, () => Buffer.from('{"nbf":1}'));
    return assemble(identifierBytes, [...caveats.map(({ bytes }) => bytes), ...added], chain(tag, added, hmac));
  },
  'of 4,097 characters': () => `ron1_${'A'.repeat(4_092)}`,
  'of another kind': () => 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJvd25lciJ9.',
  'a path': () => '../../keys/keystore.age',
};

describe('invalid capabilities', () => {
  for (const [what, make] of Object.entries(invalid)) {
    it(`${what}: 401 over HTTP and OAP, and no trace`, async () => {
      const token = make();
      const expected = { status: 401, code: 'unauthenticated' };
      const reply = await expectRefusal(node, expected, () => call(token, 'GET', `/o/${address}`));
      expect(reply.headers['www-authenticate']).toBe('Bearer');
      await expectRefusal(node, expected, () => call(token, 'PUT', '/put', `never stored ${what}`));
      const before = await baseline(node);
      const refused = await onOap(request(token ?? '', 1, 'get', JSON.stringify({ address })));
      // There the length is a rule of the frame, and judged before anything else.
      const code = (token?.length ?? 0) > 4_096 ? 'headers_too_large' : 'unauthenticated';
      expect(envelopeIn(refused).code).toBe(code);
      await before.survived({ counted: code });
    });
  }

  it('the message is the same whatever is wrong', async () => {
    const messages = new Set<string>();
    for (const [what, make] of Object.entries(invalid)) {
      if (what !== 'none') messages.add(envelopeOf(await call(make(), 'GET', `/o/${address}`)).message);
    }
    expect(messages.size).toBe(1);
  });

  it('no flipped bit is accepted', async () => {
    const bits = Buffer.from(node.capability.slice(5), 'base64url').length * 8;
    const accepted: number[] = [];
    for (let bit = 0; bit < bits; bit += 7) {
      const reply = await call(flipped(bit), 'GET', `/o/${address}`);
      if (reply.status !== 401) accepted.push(bit);
    }
    expect(accepted).toEqual([]);
  });

  it('the log says why and shows no token', () => {
    expect(node.stderr()).toContain('"reason":"wrong_tag"');
    expect(node.stderr()).toContain('"reason":"expired"');
    expect(node.stderr()).not.toMatch(/ron1_[A-Za-z0-9_-]{20}/);
  });
});

describe('bounds', () => {
  it('inside the skew of 60 s, in the right network, with 64 caveats: accepted over HTTP and OAP', async () => {
    const now = Date.now();
    const { caveats } = owner();
    const fine = {
      skew: weaker({ exp: now - 20_000 }, { nbf: now + 20_000 }),
      cidr: weaker({ cidr: ['127.0.0.0/8'] }),
      caveats: weaker(...Array.from({ length: 64 - caveats.length }, () => ({ nbf: 1 }))),
    };
    expect(inspect(fine.caveats).caveats).toBe(64);
    for (const [what, token] of Object.entries(fine)) {
      const reply = await call(token, 'GET', `/o/${address}`);
      expect([what, reply.status]).toEqual([what, 200]);
      expect([what, (await onOap(request(token, 1, 'whoami', '{}'))).code]).toEqual([what, 0]);
    }
  });
});

describe('too narrow capabilities: 403', () => {
  const right = (method: 'read' | 'write' | 'delete' | 'list' | 'admin', prefix: string) =>
    weaker({ rights: [{ methods: [method], prefix }] });
  const narrow: Record<string, [() => string, string, string, string?]> = {
    'read may not write': [() => right('read', ''), 'PUT', '/put', 'x'],
    'write may not read': [() => right('write', ''), 'GET', '/o/'],
    'names may not read objects': [() => right('read', 'n/docs'), 'GET', '/o/'],
    'one folder may not read another': [() => right('read', 'n/docs'), 'GET', '/name/resolve/docs2/x'],
    'one folder may not read above it': [() => right('read', 'n/docs'), 'GET', '/name/resolve/doc'],
    'no escape by ..': [() => right('read', 'n/docs'), 'GET', '/n/docs/../secret'],
    'everything but admin': [() => right('read', ''), 'POST', '/admin/usage', '{}'],
    'no rights at all': [() => weaker({ rights: [] }), 'GET', '/o/'],
    'attenuation never widens': [
      () => attenuate(right('read', 'n/docs'), [{ rights: [...allRights] as never }], hmac),
      'GET',
      '/name/resolve/other',
    ],
  };
  for (const [what, [token, method, target, body]] of Object.entries(narrow)) {
    it(what, async () => {
      const before = await baseline(node);
      const reply = await call(token(), method, target.endsWith('/o/') ? `/o/${address}` : target, body);
      // `..` is no folder above: it is a label that no name has.
      expect(reply.status).toBe(target.includes('..') ? 404 : 403);
      await before.survived({ counted: envelopeOf(reply).code, corrId: envelopeOf(reply).corr_id });
    });
  }

  it('two different capabilities in one request: 400', async () => {
    const other = right('read', '');
    await expectRefusal(node, { status: 400, code: 'bad_request' }, () =>
      ask(node.port, { target: '/names', headers: { Authorization: `Bearer ${node.capability}`, 'RON-Cap': other } }),
    );
  });

  it('what is refused leaves no object', async () => {
    const usage = await call(node.capability, 'POST', '/admin/usage', '{}');
    // `kept` and the good client's one.
    expect(JSON.parse(usage.body.toString())).toMatchObject({ objects: 2, uploads: 0 });
  });
});
