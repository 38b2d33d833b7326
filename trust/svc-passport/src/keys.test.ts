import { createPublicKey, verify } from 'node:crypto';
import type { JwkSet } from '@ron/proto/passport';
import type { ByteStream } from '@ron/proto/stream';
import { describe, expect, test } from 'vitest';
import { startNode, type TestNode } from './testing/node.ts';

interface Answer {
  readonly output: { readonly http_status: number; readonly etag: string; readonly content_type?: string };
  readonly body: ByteStream;
}

async function keysOf(node: TestNode, if_none_match?: string): Promise<Answer['output'] & { readonly set: JwkSet }> {
  const { output, body } = await node.call<Answer>('keys', if_none_match === undefined ? {} : { if_none_match });
  let text = '';
  for await (const piece of body) text += Buffer.from(piece).toString();
  return { ...output, set: text === '' ? { keys: [] } : JSON.parse(text) };
}

const capabilityKeys = { tenant: 'node', purpose: 'capability', alg: 'ed25519' } as const;

describe('the public keys', () => {
  test('are JWKs that check what the keystore signed', async () => {
    await using node = await startNode();
    const { set, http_status, content_type } = await keysOf(node);
    expect([http_status, content_type, set.keys.length]).toEqual([200, 'application/jwk-set+json', 1]);
    const [jwk] = set.keys;
    const message = Buffer.from('message');
    const signature = await node.kms.sign(jwk!.kid, message);
    expect(verify(null, message, createPublicKey({ key: { ...jwk }, format: 'jwk' }), signature)).toBe(true);
    expect(Object.keys(jwk!).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
  });

  test('are not sent again to who has them', async () => {
    await using node = await startNode();
    const { etag } = await keysOf(node);
    expect(etag).toMatch(/^"b3:[0-9a-f]{64}"$/);
    for (const header of [etag, '*', `W/${etag}`, `"other", ${etag}`]) {
      const again = await keysOf(node, header);
      expect([header, again.http_status, again.set.keys]).toEqual([header, 304, []]);
    }
    for (const header of ['"other"', etag.slice(1, -1), '']) expect((await keysOf(node, header)).http_status).toBe(200);
  });

  test('hold every version that still verifies, and change their tag with each', async () => {
    await using node = await startNode();
    const first = await keysOf(node);
    const { kid } = node.kms.currentKey(capabilityKeys)!;
    const second = await node.kms.rotateKey(kid);
    const both = await keysOf(node, first.etag);
    expect([both.http_status, both.set.keys.map((key) => key.kid)]).toEqual([200, [kid, second.kid]]);
    await node.kms.retireKey(kid);
    expect((await keysOf(node)).set.keys.map((key) => key.kid)).toEqual([second.kid]);
    expect(first.etag).not.toBe(both.etag);
    const { capability: token } = await node.admin();
    const third = await node.kms.rotateKey(second.kid);
    await node.call('revoke', { kid: second.kid }, { token });
    expect((await keysOf(node)).set.keys.map((key) => key.kid)).toEqual([third.kid]);
  });
});
