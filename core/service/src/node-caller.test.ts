import type { NetAddress } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import type { Principal } from '@ron/proto/contract';
import { beforeAll, expect, test } from 'vitest';
import { OapLink } from './bind-oap-client.ts';
import { bindOapServer } from './bind-oap-server.ts';
import { nodeOf, nodePrincipal } from './node-caller.ts';
import { testHost } from './testing/echo-service.ts';
import { startPipeline } from './testing/pipeline.ts';
import { loadCompiler } from './validators.ts';

beforeAll(loadCompiler);

const node = 'ab'.repeat(32);
const address: NetAddress = { kind: 'tcp', host: '127.0.0.1', port: 9_000 };

/** Two operations behind OAP: what nodes ask one another, and what administrators do. */
async function start(proved: Principal | undefined) {
  const env = createSimEnv({ seed: 1 });
  const host = testHost({ env });
  const { dispatcher, contract } = startPipeline(
    {
      who: {
        scopes: [{ method: 'read', resource: 'net/test' }],
        handler: (_input, { context }) => ({ node: nodeOf(context) }),
      },
      rule: { scopes: [{ method: 'admin', resource: 'admin/test' }], handler: () => ({}) },
    },
    { env, metrics: host.metrics },
  );
  await env.scheduler.settle(
    bindOapServer({
      ...host,
      address,
      dispatchers: [dispatcher],
      identity: { server_version: '0', node_id: 'test', transports: ['tcp'], revocation_seq: 0 },
      listen: (accept) => env.net.listen(address, (duplex) => accept(duplex, proved)),
    }),
  );
  const link = new OapLink({ env, address, capability: () => undefined });
  const peer = link.peer(contract) as never as Record<string, (input: unknown) => Promise<unknown>>;
  return { ask: (operation: string) => env.scheduler.settle(peer[operation]!({})) };
}

test('a node that its channel proved is told who it is, and administers nothing', async () => {
  const { ask } = await start(nodePrincipal(node));
  expect(await ask('who')).toEqual({ node });
  await expect(ask('rule')).rejects.toMatchObject({ code: 'forbidden' });
});

test('what it may beyond that is said of each node', async () => {
  const { ask } = await start(
    nodePrincipal(node, (method, resource) => method === 'admin' && resource === 'admin/test'),
  );
  expect(await ask('rule')).toEqual({});
});

test('who is no node may not ask as one, whatever else it may', async () => {
  const { ask } = await start(undefined);
  await expect(ask('who')).rejects.toMatchObject({ code: 'forbidden' });
  expect(await ask('rule')).toEqual({});
});

test('what binds to its connection goes along with who it is', () => {
  const binding = new Uint8Array(32);
  expect(nodePrincipal(node, undefined, binding).binding).toBe(binding);
  expect(nodePrincipal(node).binding).toBeUndefined();
});
