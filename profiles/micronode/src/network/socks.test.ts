import { type Duplex, type NetAddress, parseNetAddress } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { afterEach, expect, test } from 'vitest';
import { startNode } from '../fixtures/start-node.ts';

type Node = Awaited<ReturnType<typeof startNode>>;
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Only bounds a hang. */
const patience = { timeout: 120_000, interval: 20 };
/** Address type 3: a name. */
const nameKind = 3;

/** A SOCKS5 proxy (RFC 1928) that knows onion services, each by its name, and nothing else. */
async function startProxy(services: ReadonlyMap<string, NetAddress>) {
  const { net } = createRealEnv();
  const asked: string[] = [];
  const open = new Set<Duplex>();
  const serve = (from: Duplex) => {
    let messages = 0;
    let to: Duplex | undefined;
    open.add(from);
    const connectTo = async (request: Uint8Array) => {
      const name =
        request[3] === nameKind ? Buffer.from(request.subarray(5, 5 + request[4]!)).toString() : 'an address';
      asked.push(name);
      const address = services.get(name);
      if (address === undefined) return from.close();
      to = await net.dial(address, 5_000);
      open.add(to);
      to.start({ data: (bytes) => void from.write([bytes]), drain: () => undefined, close: () => from.close() });
      from.write([Buffer.from('05000001000000000000', 'hex')]);
    };
    from.start({
      data(bytes) {
        if (to !== undefined) return void to.write([bytes]);
        messages++;
        if (messages === 1) from.write([Buffer.from('0500', 'hex')]);
        else void connectTo(bytes).catch(() => from.close());
      },
      drain: () => undefined,
      close: () => to?.close(),
    });
  };
  const listener = await net.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, serve);
  cleanups.push(async () => {
    for (const duplex of open) duplex.destroy();
    await listener.close(0);
  });
  return { address: `127.0.0.1:${(listener.address as { port: number }).port}`, asked };
}

async function start(settings: Record<string, string>): Promise<Node> {
  const node = await startNode({ 'network.listen': '127.0.0.1:0', ...settings });
  cleanups.push(async () => await node.node[Symbol.asyncDispose]());
  return node;
}

async function aliveOf({ ask, capabilityFor }: Node): Promise<number> {
  const admin = capabilityFor([{ methods: ['read', 'admin'], prefix: 'admin/' }]);
  const reply = await ask('/overlay/peers', { headers: { authorization: `Bearer ${admin}` } });
  return ((await reply.json()) as { members: { alive: number } }).members.alive;
}

test('a seed that is an onion service is reached through the proxy, and only so', async () => {
  const services = new Map<string, NetAddress>();
  const proxy = await startProxy(services);
  const a = await start({ 'network.dial_private': 'true' });
  const { id, address } = a.node.contact!;
  services.set('aaaa.onion', parseNetAddress(address));
  const seed = { 'network.seeds': `${id}@aaaa.onion:9700` };
  const b = await start({ ...seed, 'network.socks': proxy.address });
  const direct = await start(seed);
  await expect.poll(() => aliveOf(b), patience).toBe(1);
  expect(proxy.asked).toContain('aaaa.onion');
  // It may not dial what is private, and what may not be dialled is not given to the proxy either.
  expect(proxy.asked).not.toContain('an address');
  const refused = () => direct.metrics.read('transport_dial_failed_total', { reason: 'policy' }) ?? 0;
  await expect.poll(refused, patience).toBeGreaterThan(0);
  expect(await aliveOf(direct)).toBe(0);
});
