import { type Duplex, type NetAddress, parseNetAddress } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { SimWorld } from '@ron/kernel/sim';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SocksProxy } from './socks.ts';
import { listening, testNode } from './testing/test-nodes.ts';

const anyPort: NetAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 };

interface Proxy {
  readonly address: NetAddress;
  /** What it was asked, as hex of each message. */
  readonly asked: string[];
}

/** A proxy that answers as told, message by message, then passes bytes on to `target`. */
async function proxy(
  env: { readonly net: import('@ron/kernel').Net },
  answers: readonly string[],
  target?: NetAddress,
): Promise<Proxy & AsyncDisposable> {
  const asked: string[] = [];
  const listener = await env.net.listen(anyPort, (from) => {
    let step = 0;
    let to: Duplex | undefined;
    from.start({
      data: (bytes) => {
        if (to !== undefined) return void to.write([bytes]);
        asked.push(Buffer.from(bytes).toString('hex'));
        const answer = answers[step++];
        if (answer === undefined) return void from.close();
        const say = () => void from.write([Buffer.from(answer, 'hex')]);
        if (step < answers.length || target === undefined) return say();
        void env.net.dial(target, 1_000).then((made) => {
          to = made;
          made.start({ data: (back) => void from.write([back]), drain: () => undefined, close: () => from.close() });
          say();
        });
      },
      drain: () => undefined,
      close: () => to?.close(),
    });
  });
  return { address: listener.address, asked, [Symbol.asyncDispose]: () => listener.close(0) };
}

const connected = '05000001000000000000';

describe.each(['real', 'simulated'] as const)('%s', (kind) => {
  function setting() {
    const world = new SimWorld({ seed: 'socks' });
    const node = world.node('a');
    if (kind === 'real') return { env: createRealEnv(), run: <T>(work: Promise<T>) => work };
    return { env: node, run: <T>(work: Promise<T>) => world.scheduler.settle(work) };
  }

  test('a node is reached through a proxy, and proves itself as ever', async () => {
    const { env, run } = setting();
    const b = await run(testNode(env));
    const contact = await run(listening(b, '127.0.0.1'));
    const through = await run(proxy(env, ['0502', '0100', connected], parseNetAddress(contact.address)));
    const credentials = { user: 'ron', password: 'secret' };
    const a = await run(testNode(env, { socks: { address: through.address, credentials } }));
    onTestFinished(async () => {
      for (const node of [a, b]) await node.transport[Symbol.asyncDispose]();
      await through[Symbol.asyncDispose]();
    });
    const { duplex, nodeId } = await run(a.transport.dial({ ...contact, address: 'node.onion:9600' }, 5_000));
    expect(nodeId).toBe(b.identity.nodeId);
    const name = Buffer.from('node.onion').toString('hex');
    expect(through.asked).toEqual(['05020002', '0103726f6e06736563726574', `050100030a${name}2580`]);
    duplex.destroy();
  });
});

test('without a proxy an onion service is not dialled, and its name not looked up', async () => {
  const world = new SimWorld({ seed: 'onion' });
  const env = world.node('a');
  let dials = 0;
  const net = {
    ...env.net,
    dialTls: () => {
      dials++;
      return Promise.reject(new Error('a resolver heard of it'));
    },
  } as never;
  const a = await world.scheduler.settle(testNode({ ...env, clock: env.clock, net }));
  for (const host of ['node.onion', 'NODE.ONION.']) {
    const dial = a.transport.dial({ id: '0'.repeat(64), address: `${host}:9600` }, 1_000);
    await expect(world.scheduler.settle(dial)).rejects.toMatchObject({ details: { reason: 'policy' } });
  }
  expect(dials).toBe(0);
});

describe('a proxy that', () => {
  const world = new SimWorld({ seed: 'socks' });
  const env = world.node('a');
  const run = <T>(work: Promise<T>) => world.scheduler.settle(work);

  async function failure(answers: readonly string[], options: Partial<SocksProxy> = {}, address = 'host.example:1') {
    const made = await run(proxy(env, answers));
    const socks = { address: made.address, ...options };
    const mayDial = (host: string) => host !== '10.0.0.1' && host !== 'localhost';
    const a = await run(testNode(env, { socks, mayDial }));
    const dial = a.transport.dial({ id: '0'.repeat(64), address }, 3_000);
    const error = await run(
      dial.then(
        () => undefined,
        (thrown) => thrown,
      ),
    );
    return { code: error.code, reason: error.details?.reason, cause: error.cause?.message, asked: made.asked };
  }

  test.each<[string, readonly string[], object]>([
    ['is none', ['485454502f312e31'], { reason: 'handshake' }],
    ['wants another authentication', ['05ff'], { reason: 'policy' }],
    ['wants a password where there is none', ['0502'], { reason: 'policy' }],
    ['cannot reach the host', ['0500', '05040001000000000000'], { reason: 'unreachable' }],
    ['allows nothing', ['0500', '05020001000000000000'], { reason: 'policy' }],
    ['fails in a way of its own', ['0500', '05990001000000000000'], { reason: 'handshake' }],
    ['answers with an address of no kind', ['0500', '05000009000000000000'], { reason: 'handshake' }],
    [
      'says more than it was asked',
      ['0500', `${connected}00`],
      { cause: 'EPROTO: the proxy said more than it was asked' },
    ],
    ['talks without end', ['05'.repeat(400)], { reason: 'handshake' }],
    ['breaks off', ['0500'], { reason: 'handshake' }],
    ['answers half', ['0500', '050000'], { code: 'deadline_exceeded' }],
    [
      'connects, and there is no TLS',
      ['0500', '050000030b000000000000000000000000000000'.slice(0, 4 * 2 + 2 + 11 * 2 + 4), '00'],
      { reason: 'handshake' },
    ],
  ])('%s', async (_what, answers, expected) => {
    expect(await failure(answers)).toMatchObject(expected);
  });

  test('is not asked for what may not be dialled, and for no name that is too long', async () => {
    for (const address of ['10.0.0.1:80', 'localhost:80']) {
      expect(await failure(['0500', connected], {}, address)).toMatchObject({ reason: 'policy', asked: [] });
    }
    expect(await failure(['0500'], {}, `${'x'.repeat(256)}:80`)).toMatchObject({ reason: 'unreachable', asked: [] });
    expect((await failure(['0500', '05010001'], {}, `${'x'.repeat(255)}:80`)).asked).toHaveLength(2);
    for (const credentials of [
      { user: '', password: 'x' },
      { user: 'x'.repeat(256), password: 'x' },
    ]) {
      expect(await failure(['0502'], { credentials })).toMatchObject({ code: 'unavailable' });
    }
  });

  test('is told addresses as addresses', async () => {
    const requests = [
      ['192.0.2.7:443', '05010001c000020701bb'],
      ['[2001:db8::7]:443', '0501000420010db800000000000000000000000701bb'],
      ['[::]:1', `05010004${'00'.repeat(16)}0001`],
    ] as const;
    for (const [address, request] of requests) {
      expect((await failure(['0500', '0501'], {}, address)).asked).toEqual(['050100', request]);
    }
  });

  test('says anything at all', async () => {
    const answer = fc.uint8Array({ minLength: 1, maxLength: 30 }).map((bytes) => Buffer.from(bytes).toString('hex'));
    const tries = fc.array(answer, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(tries, async (answers) => {
        const { code } = await failure(answers);
        expect(['unavailable', 'deadline_exceeded']).toContain(code);
      }),
      { numRuns: 30 },
    );
  });
});
