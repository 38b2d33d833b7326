import { createAuthenticator, createAuthority } from '@ron/auth';
import { createBus, createMetrics, type KernelEvent } from '@ron/kernel';
import { createLog, createRealEnv, waitForShutdown } from '@ron/kernel/real';
import { createRamKms } from '@ron/kms';
import { bindOapServer, hostService } from '@ron/service';
import { echo } from '../echo.ts';

/** A service that answers what it is sent, through the whole pipeline, on a loopback TCP port that it prints with a capability. */
const env = createRealEnv();
const log = createLog({ level: 'error' });
const metrics = createMetrics();
await using kms = createRamKms(env);
const authority = await createAuthority({ kms, env, audience: 'bench' });
const authenticator = createAuthenticator({ authority, publicPrefixes: () => [] });
const config = { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) };
await using service = await hostService(
  echo,
  { env, bus: createBus<KernelEvent>(), metrics, log, authenticator },
  { config, peers: {}, engines: undefined },
);
await using listener = await bindOapServer({
  env,
  log,
  metrics,
  address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
  dispatchers: [service.dispatcher],
  identity: { server_version: '0', node_id: 'bench', transports: ['tcp'], revocation_seq: 0 },
});
const capability = authority.mint({ subject: 'bench', rights: [{ methods: ['read'], prefix: '' }] });
if (listener.address.kind === 'tcp') process.stdout.write(`port ${listener.address.port} ${capability}\n`);
await waitForShutdown();
