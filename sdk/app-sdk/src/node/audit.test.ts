import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../connect.ts';
import { connect as connectInNode } from './index.ts';
import { FakeLog } from './testing/fake-log.ts';
import { type NodeAnswer, type NodeRequest, startHttpNode } from './testing/http-node.ts';

const address = `b3:${'a'.repeat(64)}`;
const record = { name: 'docs/x', address, version: 1, prev: null, updated_at: 1, owner: 'k', signature: 's' };

/** A node that names things and keeps a log; `receipt` is what it gives for an entry. */
async function setUp(options: {
  receipt?: (log: FakeLog, index: number) => Promise<string | undefined>;
  entry?: object;
  answer?: (request: NodeRequest, log: FakeLog) => NodeAnswer | undefined | Promise<NodeAnswer | undefined>;
}) {
  const log = new FakeLog();
  for (let index = 0; index < 5; index += 1) log.append({ corr_id: `before-${index}` });
  const node = await startHttpNode(onTestFinished, async (request) => {
    const own = await options.answer?.(request, log);
    if (own !== undefined) return own;
    if (request.target === '/audit/key')
      return { json: { origin: log.origin, keys: [log.verifierKey], witness_key: log.verifierKey } };
    if (!request.target.startsWith('/name/')) return undefined;
    const op = request.method === 'PUT' ? 'gateway.set_name' : 'gateway.remove_name';
    const corr_id = String(request.headers['x-corr-id']);
    const fields = { name: 'docs/x', ...(request.method === 'PUT' ? { address } : {}) };
    const index = log.append({ op, corr_id, resources: ['n/docs/x'], fields, ...options.entry });
    const give = options.receipt ?? ((log, index) => log.receipt(index));
    const receipt = request.headers['ron-receipt'] === '1' ? await give(log, index) : undefined;
    return {
      json: op === 'gateway.set_name' ? record : { name: 'docs/x', version: 1 },
      headers: receipt === undefined ? {} : { 'ron-audit-receipt': receipt },
    };
  });
  return { log, node };
}

test.each([
  ['fetch', connect],
  ['node:http', connectInNode],
])('over %s a name is set and removed with receipts that were checked', async (_name, open) => {
  const { log, node } = await setUp({});
  await using client = open({ url: node.url });
  const set = await client.names.set('docs/x', address, { receipt: true });
  expect(set).toMatchObject({ version: 1, receipt: { index: 5, entry: { op: 'gateway.set_name' } } });
  expect(set.receipt.checkpoint).toMatchObject({ origin: log.origin, size: 6 });
  const removed = await client.names.remove('docs/x', { receipt: true });
  expect(removed.receipt).toMatchObject({ index: 6, entry: { op: 'gateway.remove_name' } });
  // The receipt holds by itself, with the key alone.
  const elsewhere = connect({ url: 'http://127.0.0.1:1', auditKeys: log.verifierKey });
  expect(await elsewhere.audit.verify(set.receipt.text)).toEqual(set.receipt);
  expect(node.requests.filter(({ target }) => target === '/audit/key')).toHaveLength(1);
});

test('without the option nothing is asked for and nothing is checked', async () => {
  const { node } = await setUp({ receipt: async () => 'nonsense' });
  await using client = connect({ url: node.url });
  expect(await client.names.set('docs/x', address)).not.toHaveProperty('receipt');
  expect(await client.names.remove('docs/x')).not.toHaveProperty('receipt');
  expect(node.requests.every(({ headers }) => headers['ron-receipt'] === undefined)).toBe(true);
});

const stranger = new FakeLog();

test.each<[string, (log: FakeLog, index: number) => Promise<string | undefined>, RegExp]>([
  ['is missing', async () => undefined, /gave no receipt/],
  ['is nonsense', async () => 'nonsense', /its receipt is wrong/],
  ['is about an entry that was changed', (log, index) => log.receipt(index, log.entries[0]), /does not prove entry/],
  ['is a true one of another call', (log) => log.receipt(2), /another call/],
  [
    'comes from a log with another key',
    async (log, index) => {
      stranger.entries.push(...log.entries);
      return stranger.receipt(index);
    },
    /not signed by a known key/,
  ],
])('a receipt that %s is an error, which says that the name was set', async (_what, receipt, message) => {
  const { node } = await setUp({ receipt });
  await using client = connect({ url: node.url });
  await expect(client.names.set('docs/x', address, { receipt: true })).rejects.toMatchObject({
    code: 'integrity',
    message: expect.stringMatching(message),
    details: { done: true },
  });
});

test.each([
  ['of a refusal', { outcome: 'forbidden' }],
  ['of an intent', { outcome: 'intent' }],
  ['of another name', { resources: ['n/docs/y'] }],
  ['of another operation', { op: 'gateway.view' }],
  ['of the same name with another address', { fields: { name: 'docs/x', address: `b3:${'b'.repeat(64)}` } }],
  ['without the address', { fields: { name: 'docs/x' } }],
])('the entry %s is not the one that was asked for', async (_what, entry) => {
  const { node } = await setUp({ entry });
  await using client = connect({ url: node.url });
  const call = client.names.set('docs/x', address, { receipt: true });
  await expect(call).rejects.toMatchObject({ code: 'integrity', message: expect.stringMatching(/another call/) });
});

test('each byte of a receipt that is changed is seen', async () => {
  const log = new FakeLog();
  for (let index = 0; index < 9; index += 1) log.append({ corr_id: `c${index}` });
  const bytes = Buffer.from(await log.receipt(4), 'base64url');
  const client = connect({ url: 'http://127.0.0.1:1', auditKeys: log.verifierKey });
  for (let at = 0; at < bytes.length; at += 7) {
    const forged = Buffer.from(bytes);
    forged[at]! ^= 1;
    const call = client.audit.verify(forged.toString('base64url'));
    await expect(call, `byte ${at}`).rejects.toMatchObject({ code: expect.stringMatching(/integrity|bad_request/) });
  }
});

test('a key that was given is the only one: what the node says of itself is not asked', async () => {
  const { node } = await setUp({});
  await using client = connect({ url: node.url, auditKeys: [new FakeLog().verifierKey] });
  await expect(client.names.set('docs/x', address, { receipt: true })).rejects.toMatchObject({ code: 'integrity' });
  expect(node.requests.filter(({ target }) => target === '/audit/key')).toHaveLength(0);
});

test('when the key cannot be had, nothing is sent', async () => {
  const { node } = await setUp({
    answer: ({ target }) =>
      target === '/audit/key' ? { status: 403, json: { code: 'forbidden', message: 'no', corr_id: 'c' } } : undefined,
  });
  await using client = connect({ url: node.url });
  const call = client.names.set('docs/x', address, { receipt: true });
  await expect(call).rejects.toMatchObject({ code: 'forbidden' });
  expect(node.requests.map(({ target }) => target)).toEqual(['/audit/key']);
});

test('a checkpoint that takes back what was seen is refused, and so is one nobody signed', async () => {
  let show: (log: FakeLog) => Promise<string> = (log) => log.checkpoint(5);
  const { node, log } = await setUp({
    answer: async ({ target }, log) => (target === '/audit/checkpoint' ? { text: await show(log) } : undefined),
  });
  await using client = connect({ url: node.url });
  expect(await client.audit.checkpoint()).toMatchObject({ origin: log.origin, size: 5 });
  show = (log) => log.checkpoint(4);
  await expect(client.audit.checkpoint()).rejects.toMatchObject({
    code: 'integrity',
    message: expect.stringMatching(/shorter/),
  });
  log.entries[4] = log.entries[0]!;
  show = (log) => log.checkpoint(5);
  await expect(client.audit.checkpoint()).rejects.toMatchObject({
    code: 'integrity',
    message: expect.stringMatching(/two trees/),
  });
  show = async (log) => (await log.checkpoint(5)).replace(/^5$/m, '6');
  await expect(client.audit.checkpoint()).rejects.toMatchObject({
    code: 'integrity',
    message: expect.stringMatching(/not signed/),
  });
});

test('answers that overtake each other are no rollback', async () => {
  const sizes = [4, 5, 4];
  const [asked, overtaken] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { node } = await setUp({
    answer: async ({ target }, log) => {
      if (target !== '/audit/checkpoint') return undefined;
      const size = sizes.shift()!;
      asked.resolve();
      if (sizes.length === 2) await overtaken.promise;
      return { text: await log.checkpoint(size) };
    },
  });
  await using client = connect({ url: node.url });
  const first = client.audit.checkpoint();
  await asked.promise;
  expect(await client.audit.checkpoint()).toMatchObject({ size: 5 });
  overtaken.resolve();
  expect(await first).toMatchObject({ size: 4 });
  await expect(client.audit.checkpoint()).rejects.toMatchObject({ message: expect.stringMatching(/shorter/) });
});

test('prove answers with the entry at that index, and not with another', async () => {
  let shown = 3;
  const { node } = await setUp({
    answer: async ({ target }, log) =>
      target.startsWith('/audit/proof/inclusion') ? { json: { receipt: await log.receipt(shown) } } : undefined,
  });
  await using client = connect({ url: node.url });
  expect(await client.audit.prove(3)).toMatchObject({ index: 3, entry: { corr_id: 'before-3' } });
  shown = 2;
  await expect(client.audit.prove(3)).rejects.toMatchObject({
    code: 'integrity',
    message: expect.stringMatching(/entry 2 instead of 3/),
  });
});

test('tail goes on where the page before ended', async () => {
  const { node } = await setUp({
    answer: ({ target }) => {
      const from = Number(new URL(target, 'http://x').searchParams.get('from'));
      const line = { index: from, leaf_hash: 'h', entry: null };
      return target.startsWith('/audit/tail') ? { json: { entries: [line], next: from + 1, size: 9 } } : undefined;
    },
  });
  await using client = connect({ url: node.url });
  const seen: number[] = [];
  for await (const { index } of client.audit.tail({ from: 4 })) {
    seen.push(index);
    if (seen.length === 3) break;
  }
  expect(seen).toEqual([4, 5, 6]);
});
