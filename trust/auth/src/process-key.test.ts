import { attenuate } from '@ron/cap';
import { createSimEnv } from '@ron/kernel/sim';
import { expect, test } from 'vitest';
import { hmac } from './chains.ts';
import { mintWithProcessKey, processKeyExaminer } from './process-key.ts';
import { createVerifier } from './verifier.ts';

const rights = [{ methods: ['read' as const], prefix: 'o/' }];

function start(key = new Uint8Array(32).fill(1), audience = 'storage') {
  const env = createSimEnv({ seed: 3 });
  const verifier = createVerifier(processKeyExaminer({ key }), { env, audience });
  const token = mintWithProcessKey({ key, audience }, { subject: 'service:edge', rights }, env);
  const verify = async (text: string) => verifier.verify(text, { remote: 'unix' });
  return { token, verify };
}

test('a capability opens the process that shares its key, for what it says and no more', async () => {
  const { token, verify } = start();
  const principal = await verify(token);
  expect(principal.subject).toBe('service:edge');
  expect(principal.allows('read', 'o/b3')).toBe(true);
  expect(principal.allows('write', 'o/b3')).toBe(false);
  expect(principal.allows('read', 'n/docs')).toBe(false);
});

test('it opens no other process: another key, another name', async () => {
  const { token } = start();
  const otherKey = start(new Uint8Array(32).fill(2));
  const otherName = start(undefined, 'index');
  for (const { verify } of [otherKey, otherName])
    await expect(verify(token)).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('it can be weakened, and not made to say something else', async () => {
  const { token, verify } = start();
  const weaker = attenuate(token, [{ rights: [{ methods: ['read'], prefix: 'o/b3' }] }], hmac);
  expect((await verify(weaker)).allows('read', 'o/other')).toBe(false);
  const changed = `${token.slice(0, -2)}${token.endsWith('A') ? 'BA' : 'AA'}`;
  await expect(verify(changed)).rejects.toMatchObject({ code: 'unauthenticated' });
});
