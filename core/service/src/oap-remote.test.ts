import { createSimEnv } from '@ron/kernel/sim';
import { createOapClient } from '@ron/oap';
import { beforeAll, describe, expect, test } from 'vitest';
import { bindOapServer } from './bind-oap-server.ts';
import { parseTrustedProxies, type TrustedProxies } from './http/client-address.ts';
import { principal, testHost } from './testing/echo-service.ts';
import { startPipeline } from './testing/pipeline.ts';
import { loadCompiler } from './validators.ts';

// Its import is real I/O, which virtual time does not see.
beforeAll(loadCompiler);

const address = { kind: 'tcp', host: '127.0.0.1', port: 9_000 } as const;

/** What the authenticator is told about a call whose header claims `remote`. */
async function remoteSeen(remote: string | undefined, trustedProxies: TrustedProxies | undefined): Promise<string> {
  const env = createSimEnv({ seed: 1 });
  const host = testHost({ env });
  let seen = '';
  const authenticator = {
    authenticate: (_credential: unknown, from: string) => {
      seen = from;
      return principal(() => true);
    },
  };
  const { dispatcher, contract } = startPipeline({ op: { handler: () => ({}) } }, { env, authenticator });
  const run = <T>(work: Promise<T>) => env.scheduler.settle(work);
  await run(
    bindOapServer({
      ...host,
      address,
      dispatchers: [dispatcher],
      identity: { server_version: '0', node_id: 'test', transports: ['tcp'], revocation_seq: 0 },
      ...(trustedProxies === undefined ? {} : { trustedProxies }),
    }),
  );
  const pipe = await run(env.net.dial(address, 1_000));
  const client = createOapClient({ pipe, clock: env.clock });
  await run(client.call({ app: contract.app, operation: 'op', input: {}, corrId: 'corr-0001', remote }));
  client.close();
  return seen;
}

describe('remote in the header of a request', () => {
  const everybody: TrustedProxies = () => true;
  test('counts when the peer is trusted, and only then', async () => {
    const own = await remoteSeen(undefined, undefined);
    expect(await remoteSeen('203.0.113.9', everybody)).toBe('203.0.113.9');
    expect(await remoteSeen('2001:db8::9', everybody)).toBe('2001:db8::9');
    expect(await remoteSeen('unix', everybody)).toBe('unix');
    expect(await remoteSeen('203.0.113.9', undefined)).toBe(own);
    expect(await remoteSeen('203.0.113.9', parseTrustedProxies([]))).toBe(own);
    expect(await remoteSeen('203.0.113.9', parseTrustedProxies(['198.51.100.0/24']))).toBe(own);
    expect(await remoteSeen(undefined, everybody)).toBe(own);
  });

  test('what is no address leaves the connection’s own', async () => {
    expect(await remoteSeen('999.1.1.1', everybody)).toBe(await remoteSeen(undefined, undefined));
  });

  test.each(['localhost', '203.0.113.9:80 ', 'x'.repeat(46), ''])('%j makes the request malformed', async (remote) => {
    await expect(remoteSeen(remote, everybody)).rejects.toMatchObject({ code: 'bad_request' });
  });
});
