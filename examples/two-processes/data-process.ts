import { createAuthenticator, createAuthority, servicePrincipal } from '@ron/auth';
import { createBus, createConfig, createMetrics, type KernelEvent } from '@ron/kernel';
import { createLog, createRealEnv } from '@ron/kernel/real';
import { createRamKms } from '@ron/kms';
import { indexContract } from '@ron/proto/names';
import { bindLocal, bindOapServer, hostService, rightsFor, uuidV7 } from '@ron/service';
import { createRamNames, IndexConfig, index } from '@ron/svc-index/service';
import { createRamEngine, StorageConfig, storage } from '@ron/svc-storage/service';

/** Index and storage on a Unix socket: `data-process.ts <socket>`. Prints two capabilities; ends when its input ends. */
const path = process.argv[2]!;
const env = createRealEnv();
const metrics = createMetrics();
const log = createLog({ level: 'warn' });
const kms = createRamKms(env);
const authority = await createAuthority({ kms, env, audience: 'two-processes' });
const authenticator = createAuthenticator({ authority, publicPrefixes: () => [] });
const host = { env, bus: createBus<KernelEvent>(), metrics, log, authenticator };
const config = createConfig(
  { index: IndexConfig, storage: StorageConfig },
  { file: undefined, environment: {}, flags: {} },
);

const key = await kms.createKey({ tenant: 'node', purpose: 'names', alg: 'ed25519' });
const signer = { owner: key.kid, sign: (bytes: Uint8Array) => kms.sign(key.kid, bytes) };
await using names = await hostService(index, host, {
  config: config.table('index'),
  peers: {},
  engines: { names: createRamNames(), signer },
});
const blobs = createRamEngine({
  env,
  config: { bytesMax: 64 * 1_024 * 1_024 },
  events: { onCorrupt: () => undefined },
});
await using bytes = await hostService(storage, host, {
  config: config.table('storage'),
  peers: {
    index: bindLocal(indexContract, () => names.dispatcher, servicePrincipal('storage', rightsFor(indexContract)), env),
    // There are no mailboxes here, so no message holds an object.
    mailbox: { roots: async () => ({ roots: [] }) },
  },
  engines: { blobs },
});
await using _listener = await bindOapServer({
  env,
  log,
  metrics,
  address: { kind: 'unix', path },
  dispatchers: [names.dispatcher, bytes.dispatcher],
  identity: { server_version: '0.1.0', node_id: uuidV7(env), transports: ['unix'], revocation_seq: 0 },
});

const expiresMs = env.clock.wallMs() + 60_000;
const reader = authority.mint({ subject: 'reader', rights: [{ methods: ['read'], prefix: '' }], expiresMs });
const writer = authority.mint({ subject: 'writer', rights: [{ methods: ['write'], prefix: '' }], expiresMs });
process.stdout.write(`${JSON.stringify({ reader, writer })}\n`);
for await (const _input of process.stdin);
