import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Duplex } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { SimWorld } from '@ron/kernel/sim';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { NodeIdentity } from './identity/node-identity.ts';
import type { NodeConnection } from './node-transport.ts';
import { testIdentity, testNode } from './testing/test-nodes.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

function heard(duplex: Duplex): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    duplex.start({
      data: (piece) => (text += new TextDecoder().decode(piece)),
      drain: () => undefined,
      close: () => resolve(text),
    });
  });
}

describe.each(['real', 'simulated'] as const)('%s', (kind) => {
  function setting() {
    const world = new SimWorld({ seed: 'unix' });
    if (kind === 'simulated') {
      const env = world.node('a');
      return { env, folder: '/run', run: <T>(work: Promise<T>) => world.scheduler.settle(work) };
    }
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ron-node-'));
    onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
    return { env: createRealEnv(), folder, run: <T>(work: Promise<T>) => work };
  }

  test('two nodes of one user know each other without TLS', async () => {
    const { env, folder, run } = setting();
    const [a, b] = [await run(testNode(env)), await run(testNode(env))];
    const accepted = Promise.withResolvers<NodeConnection>();
    const address = { kind: 'unix', path: path.join(folder, 'private', 'node.sock') } as const;
    const listener = await run(b.transport.listen(address, accepted.resolve));
    onTestFinished(async () => {
      await listener.close(0);
      for (const node of [a, b]) await node.transport[Symbol.asyncDispose]();
    });
    const contact = { id: b.identity.nodeId, address: `unix:${address.path}` };
    const dialled = await run(a.transport.dial(contact, 5_000));
    dialled.duplex.write([bytes('early')]);
    const there = await run(accepted.promise);
    expect([dialled.nodeId, there.nodeId]).toEqual([b.identity.nodeId, a.identity.nodeId]);
    expect(there.channelBinding).toEqual(dialled.channelBinding);
    dialled.duplex.write([bytes(' and late')]);
    dialled.duplex.close();
    expect(await run(heard(there.duplex))).toBe('early and late');
    const other = run(a.transport.dial({ ...contact, id: '0'.repeat(64) }, 5_000));
    await expect(other).rejects.toMatchObject({ details: { reason: 'wrong_node' } });
  });
});

describe('in virtual time', () => {
  async function listeningNode() {
    const world = new SimWorld({ seed: 'unix' });
    const run = <T>(work: Promise<T>) => world.scheduler.settle(work);
    const env = world.node('a');
    const node = await run(testNode(env));
    const address = { kind: 'unix', path: '/run/node.sock' } as const;
    await run(node.transport.listen(address, (connection) => void node.accepted.push(connection)));
    const say = async (...texts: readonly Uint8Array[]) => {
      const duplex = await run(env.net.dial(address, 1_000));
      duplex.write(texts);
      return run(heard(duplex));
    };
    return { world, node, say, env, run, address };
  }

  test('who says something else, nothing, or signs nothing, is let go', async () => {
    const { world, node, say } = await listeningNode();
    await say(bytes('GET / HTTP/1.1\r\n\r\n'.padEnd(43)));
    expect(node.count('refused', 'malformed')).toBe(1);
    await say();
    expect(node.count('refused', 'timeout')).toBe(1);
    expect(world.scheduler.nowMs).toBe(5_000);
    await say(bytes('ron-unix/1\n'), new Uint8Array(32), new Uint8Array(96));
    expect(node.count('refused', 'proof')).toBe(1);
    expect(node.accepted).toEqual([]);
  });

  test('a key that does not sign fails the one connection', async () => {
    const world = new SimWorld({ seed: 'unix' });
    const run = <T>(work: Promise<T>) => world.scheduler.settle(work);
    const env = world.node('a');
    const identity = await run(testIdentity(env));
    let works = true;
    const sign: NodeIdentity['sign'] = async (statement) => {
      if (works) return identity.sign(statement);
      throw new Error('the keystore is closed');
    };
    const [a, b] = [await run(testNode(env)), await run(testNode(env, { identity: { ...identity, sign } }))];
    const address = { kind: 'unix', path: '/run/node.sock' } as const;
    await run(b.transport.listen(address, (connection) => void b.accepted.push(connection)));
    await run(a.transport.listen({ ...address, path: '/run/a.sock' }, () => undefined));
    works = false;
    const there = a.transport.dial({ id: identity.nodeId, address: 'unix:/run/node.sock' }, 5_000);
    await expect(run(there)).rejects.toMatchObject({ details: { reason: 'handshake' } });
    expect(b.count('refused', 'identity')).toBe(1);
    const back = b.transport.dial({ id: a.identity.nodeId, address: 'unix:/run/a.sock' }, 5_000);
    await expect(run(back)).rejects.toMatchObject({ code: 'unavailable' });
    works = true;
    await run(a.transport.dial({ id: identity.nodeId, address: 'unix:/run/node.sock' }, 5_000));
  });

  test('a proof that was heard on one connection is none on another', async () => {
    const { node, env, run, address } = await listeningNode();
    const b = await run(testNode(env));
    // A relay between the two that replays what it heard from the dialler.
    const heardBytes: Uint8Array[] = [];
    const relayed = { kind: 'unix', path: '/run/relay.sock' } as const;
    await run(
      env.net.listen(relayed, (from) => {
        void env.net.dial(address, 1_000).then((to) => {
          const close = () => undefined;
          to.start({ data: (piece) => void from.write([piece]), drain: close, close: () => from.close() });
          from.start({
            data: (piece) => {
              heardBytes.push(piece.slice());
              to.write([piece]);
            },
            drain: close,
            close: () => to.close(),
          });
        });
      }),
    );
    await run(b.transport.dial({ id: node.identity.nodeId, address: `unix:${relayed.path}` }, 5_000));
    await env.scheduler.runFor(1);
    expect(node.accepted).toHaveLength(1);
    const thief = await run(env.net.dial(address, 1_000));
    thief.write(heardBytes);
    await run(heard(thief));
    expect(node.count('refused', 'proof')).toBe(1);
    expect(node.accepted).toHaveLength(1);
  });
});
