import type { Snapshot } from '@ron/proto/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { expectRefusal } from './oracle.ts';
import { envelopeOf, metricsOf } from './signs.ts';
import { call, issue, leafOf, ok, post } from './trust-client.ts';
import { createSigner, type DocumentSigner, idOf, signedBy, signedText } from './trust-signers.ts';

const [ann, bob, eve] = [createSigner('ann', true), createSigner('bob', true), createSigner('eve', true)];
const statusOf = { bad_request: 400, forbidden: 403, conflict: 409, payload_too_large: 413 } as const;
type Code = keyof typeof statusOf;
const listed = ({ name, keys }: DocumentSigner) => ({ name, keys });

let node: NodeProcess;
/** Version 2: any two of ann, bob and the node. */
let held: Snapshot;
let firstText: string;
let heldText: string;

beforeAll(async () => {
  node = await startNodeProcess({ args: ['--set', 'server.log_level=info'] });
  firstText = (await call(node, 'GET', '/registry/1')).body.toString();
  const { document: first } = JSON.parse(firstText) as { document: Snapshot };
  const signers = [...first.signers, listed(ann), listed(bob)].sort((one, other) => (one.name < other.name ? -1 : 1));
  const changes = [{ signers, threshold: 2 }];
  const { proposal } = await ok<{ proposal: string }>(
    post(node, '/registry/proposals', { expected_version: 1, changes }),
  );
  const document = await ok<Snapshot>(call(node, 'GET', `/registry/proposals/${proposal}`));
  const signatures = [...ann.sign(document), ...bob.sign(document)];
  await ok(post(node, '/registry/approvals', { proposal, signatures, as_node: true }));
  await ok(post(node, '/registry/commit', { proposal }));
  heldText = (await call(node, 'GET', '/registry/2')).body.toString();
  held = (JSON.parse(heldText) as { document: Snapshot }).document;
});
afterAll(() => node[Symbol.asyncDispose]());

const headOf = async () => (await call(node, 'GET', '/registry/head', { token: '' })).body.toString();
const next = (fields: Partial<Snapshot> = {}): Snapshot => ({
  ...held,
  version: held.version + 1,
  previous: idOf(held),
  issued_at: Math.max(held.issued_at, Date.now() - 10),
  ...fields,
});
const counted = async (reason: string) =>
  (await metricsOf(node.port)).get(`registry_refused_total{reason="${reason}"}`) ?? 0;

/** Refused with code and reason, counted, and a leaf of the audit log; the head stays. */
async function refused(code: Code, reason: string, op: string, attack: () => ReturnType<typeof call>): Promise<void> {
  const [head, before] = [await headOf(), await counted(reason)];
  const reply = await expectRefusal(node, { status: statusOf[code], code }, attack);
  const envelope = envelopeOf(reply) as { corr_id: string; details?: { reason?: string } };
  expect(envelope.details?.reason).toBe(reason);
  expect((await counted(reason)) - before).toBe(1);
  const leaf = await leafOf(node, envelope.corr_id);
  expect(leaf).toMatchObject({ op, outcome: code, reason });
  expect(await headOf()).toBe(head);
}

describe('a snapshot from outside', () => {
  const cases: Record<string, [code: Code, reason: string, text: () => string]> = {
    unsigned: ['forbidden', 'unsigned', () => signedBy(next())],
    'signed by one of two': ['forbidden', 'under_signed', () => signedBy(next(), ann)],
    'signed by strangers': ['forbidden', 'under_signed', () => signedBy(next(), eve)],
    'signed by a stranger under a known name': [
      'forbidden',
      'under_signed',
      () => {
        const document = next();
        const stolen = eve.sign(document).map((each) => ({ ...each, signer: 'bob' }));
        return signedText(document, [...ann.sign(document), ...stolen]);
      },
    ],
    'signed with one of two algorithms': [
      'forbidden',
      'under_signed',
      () => signedText(next(), [...ann.sign(next()), ...bob.sign(next(), ['ed25519'])]),
    ],
    'with signers of its own': [
      'forbidden',
      'under_signed',
      () => signedBy(next({ signers: [listed(eve)] as never, threshold: 1 }), eve),
    ],
    'changed after it was signed': [
      'forbidden',
      'under_signed',
      () => {
        const document = next();
        return signedText({ ...document, expires_at: document.expires_at + 1 } as Snapshot, [
          ...ann.sign(document),
          ...bob.sign(document),
        ]);
      },
    ],
    'with signatures for another kind of document': [
      'forbidden',
      'under_signed',
      () => {
        const other = { ...next(), type: 'ron-policy' };
        return signedText(next(), [...ann.sign(other), ...bob.sign(other)]);
      },
    ],
    'the first one, put back': ['conflict', 'rollback', () => firstText],
    'dated before the one in force': [
      'conflict',
      'rollback',
      () => signedBy(next({ issued_at: held.issued_at - 1_000 }), ann, bob),
    ],
    expired: [
      'forbidden',
      'expired',
      () => signedBy(next({ issued_at: held.issued_at, expires_at: Date.now() - 1 }), ann, bob),
    ],
    'another one of the version in force': [
      'conflict',
      'fork',
      () =>
        signedBy(
          next({ version: 2, previous: idOf((JSON.parse(firstText) as { document: Snapshot }).document) }),
          ann,
          bob,
        ),
    ],
    'on another branch': ['conflict', 'fork', () => signedBy(next({ previous: `b3:${'0'.repeat(64)}` }), ann, bob)],
    'with a gap': ['conflict', 'gap', () => signedBy(next({ version: 4 }), ann, bob)],
    'a signer with another key': [
      'forbidden',
      'signer_changed',
      () => {
        const signers = held.signers.map((each) => (each.name === 'bob' ? { ...each, keys: eve.keys } : each));
        return signedBy(next({ signers: signers as never }), ann, bob);
      },
    ],
    'a policy': ['bad_request', 'malformed', () => '{"document":{"type":"ron-policy"},"signatures":[]}'],
    'not JSON': ['bad_request', 'malformed', () => 'PAYLOAD-MARK-7f3a'],
  };
  for (const [what, [code, reason, text]] of Object.entries(cases)) {
    it(`${what}: ${code}, ${reason}, in the audit log`, () =>
      refused(code, reason, 'registry.publish', () => post(node, '/registry/snapshots', text())));
  }
});

describe('a proposal', () => {
  const propose = async () =>
    (await ok<{ proposal: string }>(post(node, '/registry/proposals', { expected_version: held.version, changes: [] })))
      .proposal;

  it('with too few approvals is not committed; wrong ones do not count', async () => {
    const proposal = await propose();
    const document = await ok<Snapshot>(call(node, 'GET', `/registry/proposals/${proposal}`));
    const approve = (signatures: unknown) => post(node, '/registry/approvals', { proposal, signatures });
    const commit = () => post(node, '/registry/commit', { proposal });
    await refused('forbidden', 'unsigned', 'registry.commit', commit);
    await ok(approve(ann.sign(document)));
    await refused('forbidden', 'under_signed', 'registry.commit', commit);
    await refused('forbidden', 'unknown_signer', 'registry.approve', () => approve(eve.sign(document)));
    const stolen = eve.sign(document).map((each) => ({ ...each, signer: 'bob' }));
    await refused('forbidden', 'bad_signature', 'registry.approve', () => approve(stolen));
    await refused('forbidden', 'under_signed', 'registry.commit', commit);
  });

  it('who may not administer the registry proposes, approves and reads none', async () => {
    const { capability } = await issue(node, { rights: [{ methods: ['read', 'write'], prefix: 'n/' }] });
    const forbidden = { status: 403, code: 'forbidden' };
    const parts = { token: capability };
    const body = { expected_version: held.version, changes: [] };
    await expectRefusal(node, forbidden, () => post(node, '/registry/proposals', body, parts));
    await expectRefusal(node, forbidden, () => post(node, '/registry/snapshots', signedBy(next(), ann, bob), parts));
    await expectRefusal(node, forbidden, () => call(node, 'GET', '/registry/2', parts));
  });
});

it('a signer who was revoked counts no more, and cannot be forgotten', async () => {
  const changes = [{ revoke_signer: 'bob' }];
  const { proposal } = await ok<{ proposal: string }>(
    post(node, '/registry/proposals', { expected_version: 2, changes }),
  );
  const document = await ok<Snapshot>(call(node, 'GET', `/registry/proposals/${proposal}`));
  await ok(post(node, '/registry/approvals', { proposal, signatures: ann.sign(document), as_node: true }));
  await ok(post(node, '/registry/commit', { proposal }));
  held = (await ok<{ document: Snapshot }>(call(node, 'GET', '/registry/3'))).document;
  const publish = (text: string) => () => post(node, '/registry/snapshots', text);
  await refused('forbidden', 'revoked_signer', 'registry.publish', publish(signedBy(next(), ann, bob)));
  await refused(
    'forbidden',
    'unrevoked',
    'registry.publish',
    publish(signedBy(next({ revoked_signers: [] }), ann, bob)),
  );
});
