import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { envelopeIn } from './oap-attack.ts';
import { expectRefusal } from './oracle.ts';
import { envelopeOf } from './signs.ts';
import { call, issue, leafOf, leavesOf, ok, onOap, post } from './trust-client.ts';
import { createSigner, type DocumentSigner, idOf, signedBy, signedText } from './trust-signers.ts';

/** Two of two: one with the key of one algorithm, one with both. */
const [ann, ben, eve] = [createSigner('ann'), createSigner('ben', true), createSigner('eve')];
const policyApp = 0x0403;
const statusOf = { bad_request: 400, forbidden: 403, conflict: 409 } as const;
type Code = keyof typeof statusOf;

interface Document extends Record<string, unknown> {
  readonly type: 'ron-policy';
  readonly version: number;
}

const listed = ({ name, keys }: DocumentSigner) => ({
  name,
  ed25519: keys.ed25519,
  ...(keys['ml-dsa-65'] === undefined ? {} : { ml_dsa_65: keys['ml-dsa-65'] }),
});

let node: NodeProcess;
/** Version 2, in force. */
let active: Document;
let activeText: string;
let firstText: string;

const startedMs = Date.now();
const documentOf = (fields: Partial<Document> = {}): Document => ({
  type: 'ron-policy',
  version: 1,
  issued_at: startedMs - 1_000,
  expires_at: startedMs + 3_600_000,
  signers: [ann, ben].map(listed),
  threshold: 2,
  quotas: { requests_per_second: 400, burst: 800 },
  public_prefixes: ['n/www/'],
  ...fields,
});
const next = (fields: Partial<Document> = {}): Document => ({
  ...active,
  version: 3,
  previous: idOf(active),
  break_change: undefined,
  reason: undefined,
  ...fields,
});
const clean = (document: Document): Document => JSON.parse(JSON.stringify(document)) as Document;

beforeAll(async () => {
  const roots = [ann, ben].map(({ name, keys }) => [name, ...Object.values(keys)].join(':')).join(',');
  node = await startNodeProcess({
    args: ['--oap', '127.0.0.1:0', '--set', 'server.log_level=info', '--set', `policy.root_signers=${roots}`],
  });
});
afterAll(() => node[Symbol.asyncDispose]());

const hashOf = async () => (await call(node, 'GET', '/policy/hash', { token: '' })).body.toString();
const activate = (text: string) => post(node, '/policy/activate', text);

/** Refused with its code and reason on both bindings, and as a leaf of the audit log; nothing has come into force. */
async function refused(text: string, code: Code, reason: string): Promise<void> {
  const before = await hashOf();
  const reply = await expectRefusal(node, { status: statusOf[code], code }, () => activate(text));
  const envelope = envelopeOf(reply) as { corr_id: string; details?: { reason?: string } };
  expect(envelope.details?.reason).toBe(reason);
  const leaf = await leafOf(node, envelope.corr_id);
  expect(leaf).toMatchObject({ op: 'policy.activate', outcome: code, reason });
  const heard = envelopeIn(
    await onOap(node, { token: node.capability, op: 'activate', app: policyApp, body: JSON.parse(text) as unknown }),
  );
  expect([heard.code, heard.details?.reason]).toEqual([code, reason]);
  expect(await hashOf()).toBe(before);
}

describe('the first policy', () => {
  const cases: Record<string, [code: Code, reason: string, text: () => string]> = {
    unsigned: ['forbidden', 'unsigned', () => signedBy(documentOf())],
    'signed by one of two': ['forbidden', 'under_signed', () => signedBy(documentOf(), ann)],
    'signed by strangers': [
      'forbidden',
      'under_signed',
      () => signedBy(documentOf({ signers: [listed(eve)], threshold: 1 }), eve),
    ],
    'signed by a stranger under a known name': [
      'forbidden',
      'under_signed',
      () => {
        const document = documentOf();
        const stolen = eve.sign(document).map((each) => ({ ...each, signer: 'ben' }));
        return signedText(document, [...ann.sign(document), ...stolen]);
      },
    ],
    'signed with one of two algorithms': [
      'forbidden',
      'under_signed',
      () => signedText(documentOf(), [...ann.sign(documentOf()), ...ben.sign(documentOf(), ['ed25519'])]),
    ],
    expired: ['conflict', 'expired', () => signedBy(documentOf({ expires_at: startedMs - 1 }), ann, ben)],
    'dated in the future': [
      'conflict',
      'not_yet',
      () => signedBy(documentOf({ issued_at: Date.now() + 120_000 }), ann, ben),
    ],
    'opens names to everybody without a reason': ['conflict', 'widens', () => signedBy(documentOf(), ann, ben)],
  };
  for (const [what, [code, reason, text]] of Object.entries(cases)) {
    it(`${what}: ${code}, ${reason}, in the audit log`, () => refused(text(), code, reason));
  }

  it('well signed, with its reason, comes into force; the second follows it', async () => {
    const first = documentOf({ break_change: true, reason: 'the website is for everyone' });
    firstText = signedBy(first, ann, ben);
    await ok(activate(firstText));
    active = clean(documentOf({ version: 2, previous: idOf(first) }));
    activeText = signedBy(active, ann, ben);
    await ok(activate(activeText));
    const leaves = (await leavesOf(node)).filter(({ op, outcome }) => op === 'policy.activate' && outcome === 'ok');
    expect(leaves.map(({ fields }) => fields['version'])).toEqual(['1', '2']);
    expect(leaves[0]?.fields['reason']).toBe('the website is for everyone');
  });
});

describe('the policy after that', () => {
  const cases: Record<string, [code: Code, reason: string, text: () => string]> = {
    unsigned: ['forbidden', 'unsigned', () => signedBy(clean(next()))],
    'signed by one of two': ['forbidden', 'under_signed', () => signedBy(clean(next()), ben)],
    'signed by one, twice': [
      'bad_request',
      'malformed',
      () =>
        JSON.stringify({
          document: clean(next()),
          signatures: [...ann.sign(clean(next())), ...ann.sign(clean(next()))],
        }),
    ],
    'with signers of its own': [
      'forbidden',
      'under_signed',
      () => signedBy(clean(next({ signers: [listed(eve)], threshold: 1 })), eve),
    ],
    'with the signatures of another document': [
      'forbidden',
      'under_signed',
      () => signedText(clean(next()), [...ann.sign(active), ...ben.sign(active)]),
    ],
    'changed after it was signed': [
      'forbidden',
      'under_signed',
      () => signedBy(clean(next()), ann, ben).replace('"burst":800', '"burst":801'),
    ],
    'with signatures for another kind of document': [
      'forbidden',
      'under_signed',
      () => {
        const document = clean(next());
        const other = { ...document, type: 'ron-registry' };
        return signedText(document, [...ann.sign(other), ...ben.sign(other)]);
      },
    ],
    'the one in force again': ['conflict', 'older', () => activeText],
    'an older one, put back': ['conflict', 'older', () => firstText],
    'of the same version': ['conflict', 'older', () => signedBy(clean(next({ version: 2 })), ann, ben)],
    'on another branch': [
      'conflict',
      'fork',
      () => signedBy(clean(next({ previous: `b3:${'0'.repeat(64)}` })), ann, ben),
    ],
    expired: ['conflict', 'expired', () => signedBy(clean(next({ expires_at: Date.now() - 1 })), ann, ben)],
    'a higher quota without a reason': [
      'conflict',
      'widens',
      () => signedBy(clean(next({ quotas: { requests_per_second: 401, burst: 800 } })), ann, ben),
    ],
    'no quota at all without a reason': ['conflict', 'widens', () => signedBy(clean(next({ quotas: {} })), ann, ben)],
    'another public prefix without a reason': [
      'conflict',
      'widens',
      () => signedBy(clean(next({ public_prefixes: ['n/www/', 'n/secret/'] })), ann, ben),
    ],
    'fewer signatures from now on, without a reason': [
      'conflict',
      'widens',
      () => signedBy(clean(next({ threshold: 1 })), ann, ben),
    ],
  };
  for (const [what, [code, reason, text]] of Object.entries(cases)) {
    it(`${what}: ${code}, ${reason}, in the audit log`, () => refused(text(), code, reason));
  }

  it('widens with break_change but an empty or missing reason: bad_request', async () => {
    for (const reason of [undefined, '']) {
      const text = signedBy(clean(next({ quotas: {}, break_change: true, reason })), ann, ben);
      await expectRefusal(node, { status: 400, code: 'bad_request' }, () => activate(text));
    }
  });

  it('who may not administer policies activates and reads none, however well it is signed', async () => {
    const text = signedBy(clean(next()), ann, ben);
    const { capability } = await issue(node, { rights: [{ methods: ['read', 'write'], prefix: '' }] });
    const parts = { token: capability };
    const forbidden = { status: 403, code: 'forbidden' };
    await expectRefusal(node, forbidden, () => post(node, '/policy/activate', text, parts));
    await expectRefusal(node, forbidden, () => post(node, '/policy/proposals', text, parts));
    await expectRefusal(node, { status: 401, code: 'unauthenticated' }, () =>
      call(node, 'GET', '/policy/current', { token: '' }),
    );
  });

  it('a proposal is no way around: it waits until both have signed', async () => {
    const document = clean(next());
    const proposed = await ok<{ policy: string; activated?: object }>(
      post(node, '/policy/proposals', signedBy(document, ann)),
    );
    expect(proposed.activated).toBeUndefined();
    const approve = (signatures: unknown) => post(node, `/policy/proposals/${proposed.policy}`, { signatures });
    const before = await hashOf();
    const stolen = eve.sign(document).map((each) => ({ ...each, signer: 'ben' }));
    await expectRefusal(node, { status: 403, code: 'forbidden' }, () => approve(stolen));
    expect(await hashOf()).toBe(before);
    expect(await ok<{ activated?: object }>(approve(ben.sign(document)))).toHaveProperty('activated');
    expect(JSON.parse(await hashOf())).toMatchObject({ version: 3 });
  });
});
