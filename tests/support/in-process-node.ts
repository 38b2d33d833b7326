import { createConfig, type Log } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { type Micronode, startMicronode } from '@ron/micronode';
import { micronodeTables } from '@ron/micronode/config';
import { openEngines } from '@ron/micronode/engines';
import type { Right } from '@ron/proto/capability';

/** A whole node on RAM engines in this process, for HTTP on a free loopback port and for OAP on another, or on the Unix socket that is asked for. */
export interface InProcessNode extends AsyncDisposable {
  readonly url: string;
  readonly oapUrl: string;
  /** Allowed everything. */
  readonly capability: string;
  readonly node: Micronode;
  mint(rights: readonly Right[], expiresInMs?: number): string;
}

export const allRights: readonly Right[] = [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }];

/** Its clients share its event loop, which a machine with other work makes late: none of them is to be refused for that. */
const calm = '[gateway]\nunsafe = true\npressure_queued_min = 65536\npressure_queue_delay_ms = 10000\n';

/** `overrides` are `table.field` → text, as the profile's `--set` takes them. */
export async function startInProcessNode(overrides: Readonly<Record<string, string>> = {}): Promise<InProcessNode> {
  const config = createConfig(micronodeTables, {
    file: { name: 'calm.toml', text: calm },
    environment: {},
    flags: {
      'server.listen': '127.0.0.1:0',
      'server.oap_listen': '127.0.0.1:0',
      'server.drain_ms': '200',
      ...overrides,
    },
  });
  const env = createRealEnv();
  const engines = await openEngines(env, config, silentLog, undefined);
  const node = await startMicronode({ env, config, log: silentLog, engines });
  const mint = (rights: readonly Right[], expiresInMs = 3_600_000) =>
    node.authority.mint({ subject: 'test', rights, expiresMs: env.clock.wallMs() + expiresInMs });
  return {
    url: `http://${hostOf(node.http)}`,
    oapUrl: node.oap!.kind === 'unix' ? `oap+unix:${node.oap!.path}` : `oap://${hostOf(node.oap!)}`,
    capability: mint(allRights),
    node,
    mint,
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

function hostOf(address: Micronode['http']): string {
  if (address.kind !== 'tcp') throw new Error('the node listens on TCP here');
  return `${address.host}:${address.port}`;
}
