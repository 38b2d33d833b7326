import { ResidentBody } from '@ron/proto/stream';
import { bindHttp } from '@ron/service';
import { expect, test } from 'vitest';
import { ann, type Bed, bob, startRegistry } from './testing/test-bed.ts';

/** As a client on the node's HTTP port. */
function clientOf(bed: Bed) {
  const handle = bindHttp({ env: bed.env, dispatchers: [bed.hosted.dispatcher], ops: () => undefined });
  return async (method: string, target: string, json?: unknown) => {
    const bytes = new TextEncoder().encode(typeof json === 'string' ? json : JSON.stringify(json ?? null));
    const reply = await bed.run(
      Promise.resolve(
        handle({
          method,
          target,
          headers: json === undefined ? {} : { 'content-length': String(bytes.byteLength) },
          body: new ResidentBody(json === undefined ? new Uint8Array(0) : bytes),
          remote: 'test',
          onAbort: () => undefined,
        }),
      ),
    );
    const body = reply.body as Uint8Array | { readonly bytes?: Uint8Array } | undefined;
    const content = body instanceof Uint8Array ? body : (body?.bytes ?? new Uint8Array(0));
    const text = new TextDecoder().decode(content);
    return { status: reply.status, headers: reply.headers, text, json: () => JSON.parse(text) };
  };
}

test('the whole way over HTTP, with the routes told apart', async () => {
  await using bed = await startRegistry();
  const ask = clientOf(bed);
  const head = (await ask('GET', '/registry/head')).json();
  expect(head).toEqual(await bed.head());
  const wish = { changes: [{ set: { id: 'node/two', kind: 'micronode' } }], expected_version: 1 };
  const { proposal } = (await ask('POST', '/registry/proposals', wish)).json();
  const shown = await ask('GET', `/registry/proposals/${proposal}`);
  expect([shown.headers['content-type'], shown.headers['ron-registry-id']]).toEqual(['application/json', proposal]);
  const signatures = [...ann.sign(shown.json()), ...bob.sign(shown.json())];
  expect((await ask('POST', '/registry/approvals', { proposal, signatures })).json()).toMatchObject({ ready: true });
  expect((await ask('GET', '/registry/proposals')).json().proposals).toHaveLength(1);
  expect((await ask('POST', '/registry/commit', { proposal })).json()).toMatchObject({ version: 2, id: proposal });
  const [one, other] = [await ask('GET', '/registry/2'), await ask('GET', '/registry/snapshots/2')];
  expect(one.text).toBe(await bed.snapshotText(2));
  expect(other).toMatchObject({ status: 200, text: one.text });
  expect(one.headers).toMatchObject({ 'ron-registry-id': proposal, 'ron-registry-version': 2 });
  expect((await ask('POST', '/registry/snapshots', one.text)).json()).toMatchObject({ version: 2 });
  const claim = { node: 'other', version: 2, id: proposal };
  expect((await ask('POST', '/registry/observe', claim)).json()).toMatchObject({ verdict: 'same' });
  for (const [target, status] of [
    ['/registry/3', 404],
    ['/registry/0', 400],
    ['/registry/newest', 400],
  ] as const) {
    expect((await ask('GET', target)).status).toBe(status);
  }
});

test('what was decided, and every refusal, is in the audit log with its reason and without a signature', async () => {
  const entries: { op: string; outcome: string; reason?: string }[] = [];
  const audit = {
    ready: () => undefined,
    record: async (entry: unknown) => {
      entries.push(entry as (typeof entries)[number]);
      return { proof: async () => '' };
    },
    offer: (entry: unknown) => void entries.push(entry as (typeof entries)[number]),
  };
  await using bed = await startRegistry({ audit: audit as never });
  const ask = clientOf(bed);
  const { proposal } = (await ask('POST', '/registry/proposals', { changes: [], expected_version: 1 })).json();
  await ask('POST', '/registry/commit', { proposal });
  const { signature } = ann.sign(bed.first)[0]!;
  const wrong = [{ signer: 'ann', alg: 'ed25519', signature }];
  await ask('POST', '/registry/approvals', { proposal, signatures: wrong });
  await ask('POST', '/registry/snapshots', 'nothing');
  const document = await bed.documentOf(proposal);
  const signatures = [...ann.sign(document), ...bob.sign(document)];
  await ask('POST', '/registry/approvals', { proposal, signatures });
  await ask('POST', '/registry/commit', { proposal });
  const done = entries
    .filter(({ outcome }) => outcome !== 'intent')
    .map((each) => `${each.op} ${each.outcome} ${each.reason}`);
  expect(done).toEqual([
    'registry.propose ok undefined',
    'registry.commit forbidden unsigned',
    'registry.approve forbidden bad_signature',
    'registry.publish bad_request malformed',
    'registry.approve ok undefined',
    'registry.commit ok undefined',
  ]);
  expect(JSON.stringify(entries)).not.toContain(signature);
  expect(JSON.stringify(entries.at(-1))).toContain(proposal);
});
