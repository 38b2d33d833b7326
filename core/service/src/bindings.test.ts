import type { NetAddress } from '@ron/kernel';
import type { Peer } from '@ron/proto/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bindLocal } from './bind-local.ts';
import { OapLink } from './bind-oap-client.ts';
import { bindOapServer } from './bind-oap-server.ts';
import { readWhole } from './bodies.ts';
import type { HostedService } from './host.ts';
import { OapPool } from './oap-pool.ts';
import { echoContract, principal, startEcho, testHost } from './testing/echo-service.ts';

type EchoPeer = Peer<typeof echoContract>;

/** What holds on one binding holds on all: the same suite runs over each of them. */
const bindings: readonly [string, (stack: AsyncDisposableStack) => Promise<EchoPeer>][] = [
  [
    'local',
    async (stack) => {
      const host = testHost();
      const service = stack.use(await startEcho(host));
      return bindLocal(
        echoContract,
        () => service.dispatcher,
        principal(() => true),
        host.env,
        { roundTrip: true },
      );
    },
  ],
  ['oap over tcp', (stack) => overOap(stack, OapLink)],
  ['oap over several connections', (stack) => overOap(stack, OapPool)],
];

const loopback: NetAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 };

async function overOap(stack: AsyncDisposableStack, Link: typeof OapLink | typeof OapPool): Promise<EchoPeer> {
  const host = testHost();
  const service: HostedService = stack.use(await startEcho(host));
  const listener = stack.use(
    await bindOapServer({
      ...host,
      address: loopback,
      dispatchers: [service.dispatcher],
      identity: { server_version: '0', node_id: 'test', transports: ['tcp'], revocation_seq: 0 },
    }),
  );
  const capability = new TextEncoder().encode('all');
  const link = stack.use(new Link({ env: host.env, address: listener.address, capability: () => capability }));
  return link.peer(echoContract);
}

describe.each(bindings)('%s', (_name, open) => {
  const stack = new AsyncDisposableStack();
  let peer: EchoPeer;
  beforeAll(async () => {
    peer = await open(stack);
  });
  afterAll(() => stack.disposeAsync());

  test('a call and its answer', async () => {
    expect(await peer.say({ text: 'hi', times: 2 })).toEqual({ text: 'hihi' });
  });

  test('errors keep their code', async () => {
    await expect(peer.fail({ how: 'declared' })).rejects.toMatchObject({
      code: 'not_found',
      message: 'it is not here',
    });
    await expect(peer.fail({ how: 'boom' })).rejects.toMatchObject({ code: 'internal' });
    await expect(peer.say({ text: 'x', wrong: 1 } as never)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('bytes go in and come out', async () => {
    const { output, body } = await peer.upper({}, { body: streamOf(300, 10_000, 0x61) });
    expect(output).toMatchObject({ size: 3_000_000 });
    const bytes = await readWhole(body, 4e6);
    expect(bytes.byteLength).toBe(3_000_000);
    expect(bytes.every((byte) => byte === 0x41)).toBe(true);
  });

  test('many calls at once', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => peer.say({ text: `n${index}` })));
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 200 }, (_, index) => `n${index}`));
  });

  test('streams larger than the credit, read slowly and in parallel', async () => {
    const totals = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const { body } = await peer.pieces({ count: 64, bytes: 65_536 });
        let total = 0;
        for await (const piece of body) total += piece.byteLength;
        return total;
      }),
    );
    expect(totals).toEqual(Array(8).fill(64 * 65_536));
  });

  test('what a waiting operation pushes is the same stream of bytes, whatever the size of its pieces', async () => {
    for (const [count, bytes] of [
      [0, 1],
      [300, 7],
      [40, 65_536],
      [5, 524_288],
      [3, 2_500_000],
    ] as const) {
      const { body } = await peer.ticks({ count, bytes });
      const got = await readWhole(body, 1e9);
      expect(got.byteLength).toBe(count * bytes);
      for (let index = 0; index < count; index += 1) {
        expect([got[index * bytes], got[(index + 1) * bytes - 1]]).toEqual([index & 0xff, index & 0xff]);
      }
    }
    for (let round = 0; round < 70; round += 1) {
      const { body } = await peer.ticks({ count: 1_000, bytes: 100_000 });
      for await (const _piece of body) break;
    }
    expect(await peer.say({ text: 'still here' })).toEqual({ text: 'still here' });
  });

  test('readers that leave and bodies that are refused leave the connection as good as new', async () => {
    for (let round = 0; round < 100; round += 1) {
      const { body } = await peer.pieces({ count: 1_000, bytes: 65_536 });
      for await (const _piece of body) break;
      await expect(peer.upper({ wrong: 1 } as never, { body: streamOf(100, 65_536, 0) })).rejects.toMatchObject({
        code: 'bad_request',
      });
    }
    expect(await peer.say({ text: 'still here' })).toEqual({ text: 'still here' });
  });

  test('a body past its limit', async () => {
    await expect(peer.upper({}, { body: streamOf(65, 65_536, 0) })).rejects.toMatchObject({
      code: 'payload_too_large',
    });
  });
});

async function* streamOf(count: number, bytes: number, fill: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield new Uint8Array(bytes).fill(fill);
}
