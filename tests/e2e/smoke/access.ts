import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RonClient } from '@ron/app-sdk';
import { connect } from '@ron/app-sdk/node';
import { sampleBytes } from '../../support/sample-bytes.ts';
import type { Checks } from './checks.ts';
import { addressOf, codeOf, plain, type Target } from './target.ts';

/** What is not allowed is refused with the right code and changes nothing. */
export async function checkAccess(checks: Checks, target: Target, foreignCapability: string): Promise<void> {
  const { client, node } = target;
  const { address } = await client.blobs.put('guarded');
  await client.names.set('guarded', address);
  const expired = client.caps.attenuate({ expiresAtMs: Date.now() - 3_600_000 });
  const forged = `${node.capability.slice(0, -2)}${node.capability.endsWith('AA') ? 'BB' : 'AA'}`;
  const refusedCapabilities = {
    no: undefined,
    'a foreign': foreignCapability,
    'an expired': expired,
    'a forged': forged,
  };
  await checks.check('the operations endpoints answer without a capability', async () => {
    for (const [path, part] of [
      ['/healthz', '"ok":true'],
      ['/readyz', '"ready":true'],
      ['/version', target.listener],
      ['/metrics', `requests_total{service="${target.listener === 'micronode' ? 'gateway' : 'omnigate'}"`],
      ['/openapi.json', '"openapi":"3.1.0"'],
    ] as const) {
      const reply = await fetch(node.url + path);
      assert.equal(reply.status, 200, path);
      assert.ok((await reply.text()).includes(part), `${path} holds ${part}`);
    }
  });
  for (const [which, capability] of Object.entries(refusedCapabilities)) {
    await checks.check(`${which} capability: 401 for reads and writes, nothing is stored`, async () => {
      await refusesAll(target, capability, '401 unauthenticated', 'unauthenticated', address);
    });
  }
  await checks.check('a narrow capability reads what it covers and gets 403 for the rest', async () => {
    const narrow = client.caps.attenuate({ rights: [{ methods: ['read'], prefix: `o/${address}` }] });
    await using reader = open(target, narrow);
    assert.equal(await (await reader.blobs.get(address)).text(), 'guarded');
    await assert.rejects(reader.names.resolve('guarded'), { code: 'forbidden' });
    const other = addressOf(sampleBytes(9, 9));
    const write = await plain(target, `/o/${other}`, withCapability(narrow, { method: 'PUT', body: bodyOf(9, 9) }));
    assert.equal(await codeOf(write), '403 forbidden');
    assert.deepEqual((await client.blobs.has([other])).missing, [other]);
  });
  await checks.check('attenuation only takes away', async () => {
    const reader = client.caps.attenuate({ rights: [{ methods: ['read'], prefix: '' }] });
    const again = client.caps.attenuate({ rights: [{ methods: ['read', 'write'], prefix: '' }] }, reader);
    await using widened = open(target, again);
    await assert.rejects(widened.blobs.put('more'), { code: 'forbidden' });
  });
}

async function refusesAll(
  target: Target,
  capability: string | undefined,
  envelope: string,
  code: string,
  address: string,
): Promise<void> {
  const unseen = addressOf(sampleBytes(33, 34));
  for (const [method, path] of [
    ['GET', `/o/${address}`],
    ['PUT', '/put'],
    ['PUT', `/o/${unseen}`],
    ['GET', '/n/guarded'],
    ['GET', '/name/resolve/guarded'],
    ['PUT', '/name/guarded'],
    ['DELETE', '/name/guarded'],
  ] as const) {
    const body = method !== 'PUT' ? undefined : path.startsWith('/name') ? JSON.stringify({ address }) : bodyOf(33, 34);
    const init = { method, ...(body === undefined ? {} : { body }) };
    const response = await verdict(target.node.url + path, withCapability(capability, init));
    assert.equal(await codeOf(response), envelope, `${method} ${path}`);
  }
  await using oap = connectOap(target, capability);
  await assert.rejects(oap.blobs.get(address), { code });
  await assert.rejects(oap.blobs.put(sampleBytes(33, 34), { assumeMissing: true }), { code });
  assert.deepEqual((await target.client.blobs.has([unseen])).missing, [unseen]);
  assert.equal((await target.client.names.resolve('guarded')).version >= 1, true);
}

/** Who was wrong too often waits as told before the node looks again. */
async function verdict(url: string, init: RequestInit): Promise<Response> {
  for (let asked = 1; ; asked += 1) {
    const response = await fetch(url, init);
    if (response.status !== 429 || asked === 20) return response;
    await response.arrayBuffer();
    await sleep(Number(response.headers.get('retry-after')) * 1_000);
  }
}

function withCapability(capability: string | undefined, init: RequestInit): RequestInit {
  return capability === undefined ? init : { ...init, headers: { authorization: `Bearer ${capability}` } };
}

function bodyOf(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return sampleBytes(length, seed) as Uint8Array<ArrayBuffer>;
}

function open({ node }: Target, capability: string): RonClient {
  return connect({ url: node.url, capability });
}

function connectOap({ node }: Target, capability: string | undefined): RonClient {
  return connect({ url: `oap://${node.oap}`, ...(capability === undefined ? {} : { capability }) });
}
