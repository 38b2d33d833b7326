import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { hash } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import type { Snapshot } from '@ron/proto/registry';
import { documentBytes, documentId, encodeSigned } from '@ron/signed';
import { expect, onTestFinished, test } from 'vitest';
import { connect as connectAnywhere } from '../connect.ts';
import type { FollowedSnapshot } from '../registry.ts';
import { connect, verifySignature } from './index.ts';
import { startHttpNode } from './testing/http-node.ts';

class Author {
  readonly #keys: Readonly<Record<'ed25519' | 'ml-dsa-65', KeyObject>>;
  readonly rule;
  readonly documents: Snapshot[] = [];
  readonly texts: string[] = [];

  constructor() {
    const ed = generateKeyPairSync('ed25519');
    const ml = generateKeyPairSync('ml-dsa-65');
    const raw = (key: KeyObject, bytes: number) =>
      key.export({ format: 'der', type: 'spki' }).subarray(-bytes).toString('base64url');
    this.#keys = { ed25519: ed.privateKey, 'ml-dsa-65': ml.privateKey };
    const keys = { ed25519: raw(ed.publicKey, 32), 'ml-dsa-65': raw(ml.publicKey, 1_952) };
    this.rule = { signers: [{ name: 'author', keys }], threshold: 1 };
  }

  /** The next snapshot of the chain, signed with both keys. */
  add(
    changes: Partial<Snapshot> = {},
    algorithms: readonly ('ed25519' | 'ml-dsa-65')[] = ['ed25519', 'ml-dsa-65'],
  ): void {
    const before = this.documents.at(-1);
    const document: Snapshot = {
      type: 'ron-registry',
      version: (before?.version ?? 0) + 1,
      ...(before === undefined ? {} : { previous: idOf(before) }),
      issued_at: Date.now(),
      expires_at: Date.now() + 3_600_000,
      ...this.rule,
      descriptors: [],
      revoked_signers: [],
      ...changes,
    };
    const signatures = algorithms.map((alg) => ({
      signer: 'author',
      alg,
      signature: sign(null, documentBytes(document), this.#keys[alg]).toString('base64url'),
    }));
    this.documents.push(document);
    this.texts.push(encodeSigned({ document, signatures }));
  }
}

function idOf(document: Snapshot): string {
  return documentId(document, (bytes) => addressFromHash(hash(bytes)));
}

/** A node that serves the author's chain; `events` is what its stream says, then it ends. */
async function setUp(author: Author, events: () => readonly number[] = () => []) {
  const head = (document: Snapshot) => {
    const { version, issued_at, expires_at } = document;
    return { version, id: idOf(document), issued_at, expires_at };
  };
  return startHttpNode(onTestFinished, ({ target }) => {
    if (target === '/registry/head') return { json: head(author.documents.at(-1)!) };
    if (target === '/registry/stream') {
      const text = events().map((version) => `event: head\nid: ${version}\ndata: {"version":${version}}\n\n`);
      return { text: text.join(''), headers: { 'content-type': 'text/event-stream' } };
    }
    const version = Number(/^\/registry\/snapshots\/(\d+)$/.exec(target)?.[1]);
    const at = author.documents.findLastIndex((document) => document.version === version);
    return at < 0 ? undefined : { text: author.texts[at]! };
  });
}

async function take(snapshots: AsyncIterable<FollowedSnapshot>, count: number): Promise<FollowedSnapshot[]> {
  const taken: FollowedSnapshot[] = [];
  for await (const snapshot of snapshots) {
    taken.push(snapshot);
    if (taken.length === count) break;
  }
  return taken;
}

test('a registry is followed from its newest snapshot, and over a gap', async () => {
  const author = new Author();
  author.add();
  const node = await setUp(author, () => {
    while (author.documents.length < 4) author.add();
    return [4];
  });
  await using client = connect({ url: node.url });
  const taken = await take(client.registry.follow({ trusted: author.rule }), 2);
  expect(taken.map(({ version }) => version)).toEqual([1, 4]);
  expect(taken[1]!.id).toBe(idOf(author.documents[3]!));
  expect(node.requests.find(({ target }) => target === '/registry/stream')!.headers['last-event-id']).toBe('1');
});

test('with a pinned id it begins at the first snapshot', async () => {
  const author = new Author();
  for (let count = 0; count < 3; count += 1) author.add();
  const node = await setUp(author);
  await using client = connect({ url: node.url });
  const [first] = await take(client.registry.follow({ trusted: { id: idOf(author.documents[0]!) } }), 1);
  expect(first!.version).toBe(3);
  const wrong = take(client.registry.follow({ trusted: { id: idOf(author.documents[1]!) } }), 1);
  await expect(wrong).rejects.toMatchObject({ details: { reason: 'untrusted' } });
});

test.each<[string, (author: Author) => void]>([
  ['under_signed', (author) => author.add({}, ['ed25519'])],
  ['expired', (author) => author.add({ issued_at: 1, expires_at: 2 })],
  ['unsigned', (author) => author.add({}, [])],
])('a first snapshot that is %s is refused', async (reason, add) => {
  const author = new Author();
  add(author);
  const node = await setUp(author);
  await using client = connect({ url: node.url });
  const taken = take(client.registry.follow({ trusted: author.rule }), 1);
  await expect(taken).rejects.toMatchObject({ details: { reason } });
});

test('after a restart a node that fell behind, or forked, is refused by the state that was kept', async () => {
  const author = new Author();
  author.add();
  author.add();
  const good = await setUp(author);
  await using client = connect({ url: good.url });
  const [{ state }] = (await take(client.registry.follow({ trusted: author.rule }), 1)) as [FollowedSnapshot];

  author.documents.pop();
  author.texts.pop();
  const again = take(client.registry.follow({ trusted: author.rule, state }), 1);
  await expect(again).rejects.toMatchObject({ details: { reason: 'rollback' } });

  author.add({ descriptors: [{ id: 'node/other', kind: 'micronode' }] });
  const forked = take(client.registry.follow({ trusted: author.rule, state }), 1);
  await expect(forked).rejects.toMatchObject({ details: { reason: 'fork' } });
});

test('a client that cannot check signatures says so instead of believing', async () => {
  const author = new Author();
  author.add();
  const node = await setUp(author);
  await using client = connectAnywhere({ url: node.url });
  const taken = take(client.registry.follow({ trusted: author.rule }), 1);
  await expect(taken).rejects.toMatchObject({ code: 'bad_request', message: expect.stringMatching(/give `verify`/) });
  expect(await take(client.registry.follow({ trusted: author.rule, verify: verifySignature }), 1)).toHaveLength(1);
});

test('signatures that are malformed are wrong, not exceptions', () => {
  for (const alg of ['ed25519', 'ml-dsa-65'] as const) {
    for (const keyBytes of [0, 31, 32, 33, 1_951, 1_952, 1_953]) {
      const key = new Uint8Array(keyBytes).fill(255);
      expect(verifySignature(alg, key, new Uint8Array(1), new Uint8Array(64))).toBe(false);
    }
  }
});
