import { RonError } from '@ron/proto/errors';
import { describe, expect, test } from 'vitest';
import { privatePlane } from './process-caller.ts';
import { principal } from './testing/echo-service.ts';
import { startPipeline } from './testing/pipeline.ts';

function start() {
  const asked: string[] = [];
  const { dispatcher, run } = startPipeline(
    {
      set: {
        mutation: true,
        scopes: [{ method: 'write', resource: 'n/' }],
        handler: (_input, { context }) => ({ tenant: context.tenant, subject: context.principal.subject }),
      },
    },
    {
      authenticator: {
        authenticate: () => {
          throw new RonError('unauthenticated', 'clients have no business here');
        },
      },
      policy: { decide: () => void asked.push('policy') },
      admit: () => {
        asked.push('quota');
        return undefined;
      },
    },
  );
  const inside = privatePlane(dispatcher, {
    authenticate: ({ token }) => {
      if (token === undefined) return { ...principal(() => false), anonymous: true };
      if (token === 'index') return principal((method) => method === 'read', 'service:index');
      return principal(() => true, 'service:gateway-1');
    },
  });
  const call = (credential: object, tenant?: string) =>
    run(inside.dispatch({ operation: 'set', input: {}, credential, corrId: 'corr-0001', remote: 'unix', tenant }));
  return { asked, call };
}

describe('the Private Plane', () => {
  test('is asked by services with their own rights, for any tenant; policy and quota are not asked again', async () => {
    const { asked, call } = start();
    const { output } = await call({ token: 'gateway' }, 'acme & söhne');
    expect(output).toEqual({ tenant: 'acme & söhne', subject: 'service:gateway-1' });
    expect(asked).toEqual([]);
  });

  test('a service has only the rights of its capability', async () => {
    await expect(start().call({ token: 'index' })).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('refuses who has none, also one that says who it is', async () => {
    await expect(start().call({})).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(start().call({ principal: principal(() => true) })).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});
