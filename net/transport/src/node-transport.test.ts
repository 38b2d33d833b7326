import type { Duplex, Env } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { SimWorld } from '@ron/kernel/sim';
import { describe, expect, onTestFinished, test } from 'vitest';
import { issueCertificate, pemOf } from './identity/certificate.ts';
import type { NodeIdentity } from './identity/node-identity.ts';
import type { NodeConnection } from './node-transport.ts';
import { listening, type TestNode, type TestNodeOptions, testIdentity, testNode } from './testing/test-nodes.ts';

interface Setting {
  node(name: string, options?: TestNodeOptions): Promise<TestNode>;
  env(name: string): Env;
  run<T>(work: Promise<T>): Promise<T>;
  host: string;
}

function simulated(): Setting & { readonly world: SimWorld } {
  const world = new SimWorld({ seed: 'transport' });
  const run = <T>(work: Promise<T>) => world.scheduler.settle(work);
  const env = (name: string) => world.node(name);
  return { world, run, env, host: 'b.sim', node: (name, options) => run(testNode(env(name), options)) };
}

function real(): Setting {
  const env = () => createRealEnv();
  const node = async (_name: string, options?: TestNodeOptions) => {
    const made = await testNode(env(), options);
    onTestFinished(() => made.transport[Symbol.asyncDispose]());
    return made;
  };
  return { run: (work) => work, env, host: '127.0.0.1', node };
}

const bytes = (text: string) => new TextEncoder().encode(text);

function echo({ duplex }: NodeConnection): void {
  duplex.start({ data: (piece) => void duplex.write([piece]), drain: () => undefined, close: () => undefined });
}

/** What comes until there is as much as is waited for, or the connection ends. */
function heard(duplex: Duplex, bytesWanted: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    duplex.start({
      data: (piece) => {
        text += new TextDecoder().decode(piece);
        if (text.length >= bytesWanted) resolve(text);
      },
      drain: () => undefined,
      close: () => resolve(text),
    });
  });
}

describe.each<[string, () => Setting]>([
  ['simulated', simulated],
  ['real', real],
])('%s', (_name, setting) => {
  test('both ends know each other by id and share one channel binding', async () => {
    const { node, run, host } = setting();
    const [a, b] = [await node('a'), await node('b')];
    const accepted = Promise.withResolvers<NodeConnection>();
    const contact = await run(listening(b, host, accepted.resolve));
    const dialled = await run(a.transport.dial(contact, 5_000));
    const there = await run(accepted.promise);
    expect(dialled).toMatchObject({ nodeId: b.identity.nodeId, publicKey: b.identity.publicKey, role: 'dialler' });
    expect(there).toMatchObject({ nodeId: a.identity.nodeId, publicKey: a.identity.publicKey, role: 'acceptor' });
    expect(there.channelBinding).toEqual(dialled.channelBinding);
    echo(there);
    dialled.duplex.write([bytes('hello')]);
    expect(await run(heard(dialled.duplex, 5))).toBe('hello');
    dialled.duplex.destroy();
  });

  test('another node at the address, oneself, and an address that may not be dialled are not reached', async () => {
    const { node, run, host } = setting();
    const [a, b] = [await node('a'), await node('b')];
    const picky = await node('c', { mayDial: () => false });
    const contact = await run(listening(b, host));
    const tries = [
      [a, { ...contact, id: picky.identity.nodeId }, 'wrong_node'],
      [a, { ...contact, id: a.identity.nodeId }, 'self'],
      [a, { ...contact, address: 'nonsense' }, 'unreachable'],
      [picky, contact, 'policy'],
      [picky, { ...contact, address: 'unix:/run/x.sock' }, 'policy'],
    ] as const;
    for (const [from, to, reason] of tries) {
      const dial = run(from.transport.dial(to, 5_000));
      await expect(dial).rejects.toMatchObject({ code: 'unavailable', details: { reason } });
      expect(from.count('dial_failed', reason)).toBeGreaterThan(0);
    }
  });

  test('who shows a certificate that proves nothing is refused by name', async () => {
    const { node, run, env, host } = setting();
    const b = await node('b');
    const contact = await run(listening(b, host));
    const thiefEnv = env('thief');
    const mine = await run(testIdentity(thiefEnv));
    const stolen: NodeIdentity = { ...mine, publicKey: b.identity.publicKey };
    const hourMs = 3_600_000;
    const at = (offsetMs: number) => {
      const { clock, random } = thiefEnv;
      return issueCertificate(
        mine,
        { random, clock: { ...bound(clock), wallMs: () => clock.wallMs() + offsetMs } },
        hourMs,
      );
    };
    const shown = [
      [await issueCertificate(stolen, thiefEnv, hourMs), 'certificate_statement'],
      [await at(-2 * hourMs), 'certificate_expired'],
      [await at(hourMs), 'certificate_not_yet_valid'],
    ] as const;
    const [hostName, port] = contact.address.split(':') as [string, string];
    for (const [{ tls }, reason] of shown) {
      const address = { kind: 'tcp', host: hostName, port: Number(port) } as const;
      const options = { alpn: 'ron/1', timeoutMs: 5_000, handshakeBytesMax: 16_384, mayDial: () => true };
      const dialled = await run(thiefEnv.net.dialTls(address, { ...options, identity: tls }));
      expect(await run(heard(dialled, 1))).toBe('');
      expect(b.count('refused', reason)).toBe(1);
    }
    expect(b.accepted).toEqual([]);
  });

  test('over 4 connections of one node', async () => {
    const { node, run, host } = setting();
    const [a, b] = [await node('a'), await node('b')];
    const contact = await run(listening(b, host, echo));
    const open: NodeConnection[] = [];
    for (let count = 0; count < 4; count += 1) open.push(await run(a.transport.dial(contact, 5_000)));
    const probe = async () => {
      const { duplex } = await run(a.transport.dial(contact, 5_000));
      duplex.write([bytes('?')]);
      const answer = await run(heard(duplex, 1));
      duplex.destroy();
      return answer;
    };
    expect(await probe()).toBe('');
    expect(b.count('refused', 'node_capacity')).toBe(1);
    const [first] = open as [NodeConnection];
    first.duplex.close();
    await run(heard(first.duplex, 1));
    expect(await probe()).toBe('?');
    for (const { duplex } of open) duplex.destroy();
  });

  test('certificates are replaced under load and nobody fails', async () => {
    const { node, run, host } = setting();
    const [a, b] = [await node('a'), await node('b')];
    const contact = await run(listening(b, host, echo));
    const standing = await run(a.transport.dial(contact, 5_000));
    const answers: { text: string; wake: () => void } = { text: '', wake: () => undefined };
    standing.duplex.start({
      data: (piece) => {
        answers.text += new TextDecoder().decode(piece);
        answers.wake();
      },
      drain: () => undefined,
      close: () => answers.wake(),
    });
    for (let round = 0; round < 20; round += 1) {
      standing.duplex.write([bytes('x')]);
      const [fresh] = await run(
        Promise.all([a.transport.dial(contact, 5_000), b.transport.renewCertificate(), a.transport.renewCertificate()]),
      );
      fresh.duplex.write([bytes('fresh')]);
      expect(await run(heard(fresh.duplex, 5))).toBe('fresh');
      const gone = new Promise<void>((resolve) => (answers.wake = resolve));
      if (answers.text.length <= round) await run(gone);
      fresh.duplex.destroy();
      await run(settled(b));
    }
    expect(answers.text).toBe('x'.repeat(20));
    standing.duplex.destroy();
  });
});

/** Until at most one connection is counted as accepted: the peers of those that were dropped notice it a moment later. */
async function settled(node: TestNode): Promise<void> {
  const open = () => node.metrics.read('transport_connections', { side: 'accepted' }) ?? 0;
  while (open() > 1) await new Promise<void>((resolve) => void node.env.clock.after(1, resolve));
}

function bound(clock: Env['clock']): Env['clock'] {
  return {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, task) => clock.after(delayMs, task),
  };
}

describe('in virtual time', () => {
  test('half handshakes: at most 16 of one address and 64 at all; they end after 5 s and leave nothing', async () => {
    const { world, node, run, host } = simulated();
    const b = await node('b');
    const contact = await run(listening(b, host));
    const port = Number(contact.address.split(':')[1]);
    const half = async (name: string) => {
      const { net } = world.node(name);
      const duplex = await run(net.dial({ kind: 'tcp', host, port }, 1_000));
      const end = { over: false };
      duplex.start({ data: () => undefined, drain: () => undefined, close: () => (end.over = true) });
      // One byte of a greeting, then nothing.
      duplex.write([bytes('{')]);
      return end;
    };
    const ends: { readonly over: boolean }[] = [];
    for (let count = 0; count < 17; count += 1) ends.push(await half('one'));
    await world.scheduler.runFor(1);
    expect(ends.filter(({ over }) => over)).toHaveLength(1);
    expect(b.count('refused', 'address_handshakes')).toBe(1);
    for (let count = 0; count < 49; count += 1) ends.push(await half(`other ${count}`));
    await world.scheduler.runFor(1);
    expect(b.count('refused', 'handshake_capacity')).toBe(1);
    await world.scheduler.runFor(4_990);
    expect(b.count('refused', 'timeout')).toBe(0);
    await world.scheduler.runFor(10);
    expect(b.count('refused', 'timeout')).toBe(64);
    expect(ends.every(({ over }) => over)).toBe(true);
    const a = await node('a');
    await run(a.transport.dial(contact, 5_000));
  });

  test('a greeting that comes byte by byte, one a second, does not get more time', async () => {
    const { world, node, run, host } = simulated();
    const b = await node('b');
    const contact = await run(listening(b, host));
    const port = Number(contact.address.split(':')[1]);
    const slow = world.node('slow');
    const duplex = await run(slow.net.dial({ kind: 'tcp', host, port }, 1_000));
    const greeting = JSON.stringify({ tls: '1.3', alpn: 'ron/1', chain: '', random: '' });
    let at = 0;
    const next = () => {
      duplex.write([bytes(greeting[at++] ?? '\n')]);
      slow.clock.after(1_000, next);
    };
    next();
    expect(await run(heard(duplex, 1))).toBe('');
    expect(world.scheduler.nowMs).toBe(5_000);
    expect(b.count('refused', 'timeout')).toBe(1);
  });

  test('a version, a protocol and a chain that are not ours', async () => {
    const { world, node, run, host } = simulated();
    const b = await node('b');
    const contact = await run(listening(b, host));
    const port = Number(contact.address.split(':')[1]);
    const chain = pemOf(new Uint8Array(10));
    const good = { tls: '1.3', alpn: 'ron/1', chain, random: '' };
    const tries = [
      [{ ...good, tls: '1.2' }, 'version'],
      [{ ...good, alpn: 'h2' }, 'alpn'],
      [{ ...good, chain: '' }, 'no_certificate'],
      [{ ...good, chain: chain.repeat(250) }, 'too_large'],
      [good, 'certificate_malformed'],
    ] as const;
    for (const [greeting, reason] of tries) {
      const duplex = await run(world.node('x').net.dial({ kind: 'tcp', host, port }, 1_000));
      duplex.write([bytes(`${JSON.stringify(greeting)}\n`)]);
      await run(heard(duplex, 100_000));
      expect([reason, b.count('refused', reason)]).toEqual([reason, 1]);
    }
  });

  test('at its caps a node refuses at accept, and takes the next when somebody has left', async () => {
    const { world, node, run, host } = simulated();
    const limits = { connectionsPerNodeMax: 100, connectionsMax: 12, connectionsPerAddressMax: 8 };
    const b = await node('b', { limits });
    const contact = await run(listening(b, host));
    const [a, c] = [await node('a'), await node('c')];
    const refused = { details: { reason: 'handshake' } };
    for (let count = 0; count < 8; count += 1) await run(a.transport.dial(contact, 5_000));
    expect(b.accepted).toHaveLength(8);
    await expect(run(a.transport.dial(contact, 5_000))).rejects.toMatchObject(refused);
    expect(b.count('refused', 'address_capacity')).toBe(1);
    for (let count = 0; count < 4; count += 1) await run(c.transport.dial(contact, 5_000));
    await expect(run(c.transport.dial(contact, 5_000))).rejects.toMatchObject(refused);
    expect(b.count('refused', 'over_capacity')).toBe(1);
    b.accepted[0]?.duplex.destroy();
    await run(c.transport.dial(contact, 5_000));
    for (const { duplex } of b.accepted) duplex.destroy();
    await world.scheduler.runFor(1);
    expect(b.metrics.read('transport_connections', { side: 'accepted' })).toBe(0);
  });

  test('who is refused after the handshake takes up nobody’s place', async () => {
    const { node, run, host } = simulated();
    const b = await node('b', { limits: { connectionsPerNodeMax: 0, connectionsMax: 2 } });
    const contact = await run(listening(b, host));
    const a = await node('a');
    for (let count = 1; count <= 10; count += 1) {
      const { duplex } = await run(a.transport.dial(contact, 5_000));
      await run(heard(duplex, 1));
      expect(b.count('refused', 'node_capacity')).toBe(count);
    }
  });

  test('a connection that nobody uses ends on both sides; a peer that reads nothing is cut', async () => {
    const { world, node, run, host } = simulated();
    const [a, b] = [await node('a'), await node('b')];
    const contact = await run(listening(b, host));
    await run(a.transport.dial(contact, 5_000));
    await world.scheduler.runFor(61_000);
    expect(a.count('cut', 'idle') + b.count('cut', 'idle')).toBe(0);
    await world.scheduler.runFor(2_000);
    expect(a.count('cut', 'idle') + b.count('cut', 'idle')).toBeGreaterThan(0);
    const { duplex } = await run(a.transport.dial(contact, 5_000));
    duplex.start({ data: () => undefined, drain: () => undefined, close: () => undefined });
    duplex.write([new Uint8Array(300_000)]);
    await world.scheduler.runFor(9_000);
    expect(a.count('cut', 'stalled')).toBe(0);
    await world.scheduler.runFor(2_000);
    expect(a.count('cut', 'stalled')).toBe(1);
    expect(a.metrics.read('transport_connections', { side: 'dialled' })).toBe(0);
  });

  test('nobody answers: the dial ends with its time; a transport that is over dials and accepts nobody', async () => {
    const { world, node, run, host } = simulated();
    const [a, b] = [await node('a'), await node('b')];
    const contact = await run(listening(b, host));
    world.network.faults.partition('a', 'b');
    await expect(run(a.transport.dial(contact, 700))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(world.scheduler.nowMs).toBe(700);
    world.network.faults.healAll();
    await run(b.transport[Symbol.asyncDispose]());
    await expect(run(a.transport.dial(contact, 700))).rejects.toMatchObject({ details: { reason: 'unreachable' } });
    await run(a.transport[Symbol.asyncDispose]());
    await expect(a.transport.dial(contact, 700)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
