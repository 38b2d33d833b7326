import { hash, hashTree } from '@ron/b3';
import { createLog, createRealRandom } from '@ron/kernel/real';
import { addressFromHash } from '@ron/naming';
import type { Principal } from '@ron/proto/contract';
import { storageContract } from '@ron/proto/storage';
import { type ByteStream, lenderOf } from '@ron/proto/stream';
import { bindLocal, createDispatcher, type Running } from '@ron/service';
import { Value } from 'typebox/value';
import { expect, test } from 'vitest';
import { bytesOf, pieces, sample, startStorage } from '../test-bed.ts';

const everything: Principal = { subject: 'test', capabilityId: 'test', tenant: '', limits: {}, allows: () => true };

/** A peer as another service has it: the whole pipeline, with every DTO through JSON. */
async function startPeer() {
  const bed = await startStorage();
  const env = { clock: bed.clock, random: createRealRandom() };
  const dispatcher = createDispatcher({
    contract: storageContract,
    running: bed.running as Running<typeof storageContract>,
    authenticator: { authenticate: () => ({ ...everything, anonymous: false }) } as never,
    env: env as never,
    log: createLog({ level: 'silent' }),
    metrics: bed.metrics,
  });
  const peer = bindLocal(storageContract, () => dispatcher, everything, env, { roundTrip: true });
  return { bed, peer };
}

test('every answer of every operation has the shape of its contract, and travels', async () => {
  const { bed, peer } = await startPeer();
  await using _ended = bed;
  const bytes = sample(200_000);
  const address = addressFromHash(hash(bytes));
  const { outboard } = hashTree(sample(70_000, 2));
  const upload = { size: 70_000, address: addressFromHash(hash(sample(70_000, 2))) };
  const answers: [keyof typeof storageContract.operations, unknown][] = [];
  const note = async (operation: keyof typeof storageContract.operations, answer: Promise<unknown>) => {
    const reply = (await answer) as { output?: unknown; body?: ByteStream };
    answers.push([operation, 'body' in reply ? reply.output : reply]);
    return reply;
  };
  await note('put', peer.put({}, { body: pieces(bytes, 9_999) }));
  const got = await note('get', peer.get({ address, start: 5, length: 100_000 }));
  expect(Buffer.compare(await bytesOf(got.body!), bytes.subarray(5, 100_005))).toBe(0);
  await bytesOf((await note('slice', peer.slice({ address, start: 1, length: 1 }))).body!);
  await bytesOf((await note('outboard', peer.outboard({ address }))).body!);
  await note('has', peer.has({ addresses: [address] }));
  await note('stat', peer.stat({ address }));
  await note('pin', peer.pin({ address, holder: 'h' }));
  await note('why', peer.why({ address }));
  await note('unpin', peer.unpin({ address, holder: 'h' }));
  await note('scrub', peer.scrub({ action: 'start' }));
  await note('scrub', peer.scrub({ action: 'stop' }));
  await note('quarantined', peer.quarantined({}));
  await note('usage', peer.usage({}));
  const begun = await note('upload_create', peer.upload_create(upload, { body: pieces(outboard, 99) }));
  const { upload_id } = begun as { upload_id: string };
  await note('upload_status', peer.upload_status({ upload_id }));
  await note('upload_write', peer.upload_write({ upload_id, offset: 0 }, { body: pieces(sample(70_000, 2), 7_000) }));
  const { upload_id: other } = await peer.upload_create({ size: 5 });
  await note('upload_abort', peer.upload_abort({ upload_id: other }));
  await bed.clock.pass(bed.settings.grace_ms + 1);
  await note('collect', peer.collect({}));
  await note('undelete', peer.undelete({ address }));
  for (const [operation, answer] of answers) {
    const { output } = storageContract.operations[operation];
    expect([operation, ...Value.Errors(output, answer)]).toEqual([operation]);
  }
  expect(new Set(answers.map(([operation]) => operation))).toEqual(new Set(Object.keys(storageContract.operations)));
});

test('a reader behind the pipeline can give pieces back, and few buffers are used', async () => {
  const { bed, peer } = await startPeer();
  await using _ended = bed;
  const { address } = await peer.put({}, { body: pieces(sample(5_000_000), 100_000) });
  const { body } = await peer.slice({ address });
  const buffers = new Set<ArrayBufferLike>();
  for await (const piece of body) {
    buffers.add(piece.buffer);
    lenderOf(body)?.giveBack(piece);
  }
  expect(buffers.size).toBeLessThanOrEqual(3);
});

test('refusals arrive with their own code, none as internal', async () => {
  const { bed, peer } = await startPeer();
  await using _ended = bed;
  const absent = addressFromHash(hash(sample(3)));
  const upload_id = '0'.repeat(32);
  const { address } = await peer.put({}, { body: pieces(sample(10), 10) });
  const refused: [string, () => Promise<unknown>][] = [
    ['bad_digest', () => peer.put({ address: absent }, { body: pieces(sample(4), 4) })],
    ['bad_request', () => peer.put({ size: 3 }, { body: pieces(sample(4), 4) })],
    ['payload_too_large', () => peer.put({ size: 6 * 1_024 ** 3 })],
    ['not_found', () => peer.get({ address: absent })],
    ['range_not_satisfiable', () => peer.get({ address, start: 10 })],
    ['not_found', () => peer.slice({ address: absent })],
    ['not_found', () => peer.pin({ address: absent, holder: 'h' })],
    ['not_found', () => peer.undelete({ address: absent })],
    ['not_found', () => peer.upload_status({ upload_id })],
    ['payload_too_large', () => peer.upload_create({ size: 33 * 1_048_576 })],
    ['bad_request', () => peer.upload_create({ size: 9 }, { body: pieces(sample(9), 9) })],
  ];
  for (const [code, answer] of refused) await expect(answer()).rejects.toMatchObject({ code });
});
