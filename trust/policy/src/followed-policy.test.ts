import { createMetrics } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { encodeSigned } from '@ron/signed';
import { expect, test } from 'vitest';
import { FollowedPolicy } from './followed-policy.ts';
import { request, startEngine } from './testing/engine.ts';
import { ann, ben, policyOf, textBy } from './testing/signers.ts';

const forbidDocs = 'forbid(principal, action == Action::"write", resource in Resource::"n/docs");';

test('decides as the engine does that it follows, from the document on', async () => {
  const { engine } = await startEngine();
  const env = createSimEnv({ seed: 1 });
  using followed = new FollowedPolicy({ ...env, work: env.work }, createMetrics());
  const seen: number[] = [];
  followed.onChange(({ version }) => seen.push(version));
  await followed.follow(undefined);
  expect(followed.current()).toBeUndefined();
  followed.stage.decide(request('write', 'n/docs/a'));
  await engine.activate(await textBy(policyOf({ rules: forbidDocs, quotas: { burst: 7 } }), ann, ben));
  const { id, activatedMs, signed } = engine.current()!;
  const document = { policy: id, activated_at: activatedMs, signed: encodeSigned(signed) };
  await env.scheduler.settle(followed.follow(document));
  await followed.follow(document);
  expect(seen).toEqual([1]);
  expect(followed.current()).toMatchObject({ id, version: 1, document: { quotas: { burst: 7 } } });
  const refused = expect.objectContaining({ code: 'forbidden', details: { policy: id, rule: 'policy0' } });
  expect(() => followed.stage.decide(request('write', 'n/docs/a'))).toThrow(refused);
  followed.stage.decide(request('read', 'n/docs/a'));
  await expect(followed.follow({ ...document, policy: 'b3:other', signed: '{}' })).rejects.toMatchObject({
    code: 'bad_request',
  });
  expect(followed.current()?.id).toBe(id);
  // Nobody takes a policy away by forgetting it.
  await followed.follow(undefined);
  expect(() => followed.stage.decide(request('write', 'n/docs/a'))).toThrow(refused);
});
