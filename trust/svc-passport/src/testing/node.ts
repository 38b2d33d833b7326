import { type Authority, createAuthenticator, createAuthority } from '@ron/auth';
import { createRamTable, openTable } from '@ron/journal';
import { createBus, createMetrics, type KernelEvent, type Log, type LogFields, type Metrics } from '@ron/kernel';
import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { createRamKms, type Kms } from '@ron/kms';
import type { Right } from '@ron/proto/capability';
import type { Passport } from '@ron/proto/passport';
import { type Dispatcher, type HostedService, hostService, loadCompiler } from '@ron/service';
import type { PassportConfig } from '../config.ts';
import { openPassportStore, type PassportStore, type PassportTable, type PassportValue, passport } from '../service.ts';

export const configDefault: PassportConfig = {
  ttl_default_s: 900,
  ttl_max_s: 3_600,
  refresh_ttl_s: 2_592_000,
  families_max: 1_000,
  subjects_max: 1_000,
  revocations_max: 1_000,
  bootstrap_failures_max: 10,
};

export const everything: Right[] = [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }];
export const serviceRights = new Map<string, readonly Right[]>([
  ['gateway', [{ methods: ['read', 'write'], prefix: 'o/' }]],
]);

export interface CallOptions {
  readonly token?: string | undefined;
  readonly key?: string;
}

/** Chosen by a test; the rest is as in a fresh node. */
export interface NodeOptions {
  readonly env?: SimEnv;
  readonly table?: PassportTable;
  /** Of an earlier run: keys outlive a process. */
  readonly kms?: Kms;
  readonly config?: Partial<PassportConfig>;
  /** What the service uses in place of the authority. */
  readonly through?: (authority: Authority) => Authority;
}

export const tables = {
  RAM: async (_env: SimEnv) => createRamTable<PassportValue>({ entriesMax: 10_000 }),
  journal: async (env: SimEnv) => openTable<PassportValue>({ env, folder: 'passports', entriesMax: 10_000 }),
} as const;

/** The service behind its real pipeline, with real capabilities, on virtual time. */
export class TestNode implements AsyncDisposable {
  readonly env: SimEnv;
  readonly kms: Kms;
  readonly authority: Authority;
  readonly store: PassportStore;
  readonly metrics: Metrics;
  readonly lines: readonly string[];
  /** The service reads them with every call. */
  readonly settings: PassportConfig;
  readonly #hosted: HostedService;

  constructor(
    parts: Pick<TestNode, 'env' | 'kms' | 'authority' | 'store' | 'metrics' | 'lines' | 'settings'>,
    hosted: HostedService,
  ) {
    this.env = parts.env;
    this.kms = parts.kms;
    this.authority = parts.authority;
    this.store = parts.store;
    this.metrics = parts.metrics;
    this.lines = parts.lines;
    this.settings = parts.settings;
    this.#hosted = hosted;
  }

  /** Starts the call; virtual time has to be driven by who waits for it. */
  start<T = Passport>(operation: string, input: unknown, { token, key }: CallOptions = {}): Promise<T> {
    return this.#hosted.dispatcher
      .dispatch({
        operation,
        input,
        credential: token === undefined ? {} : { token },
        corrId: 'corr-id-0001',
        remote: '127.0.0.1',
        idempotencyKey: key,
      })
      .then(({ output, body }) => (body === undefined ? output : { output, body }) as T);
  }

  call<T = Passport>(operation: string, input: unknown, options: CallOptions = {}): Promise<T> {
    return this.env.scheduler.settle(this.start<T>(operation, input, options));
  }

  /** The first administrator. */
  async admin(subject = 'root'): Promise<Passport> {
    return this.call('bootstrap', { secret: this.store.bootstrapSecret()!.text(), subject });
  }

  /** What the node says to a request with this capability: `ok`, or the code of its refusal. */
  async verdict(capability: string): Promise<string> {
    return codeOf(async () => this.authority.verify(capability, { remote: '127.0.0.1' }));
  }

  get dispatcher(): Dispatcher {
    return this.#hosted.dispatcher;
  }

  gates(): readonly { readonly gate: string; readonly ok: boolean }[] {
    return this.#hosted.gates();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stop = async () => this.#hosted[Symbol.asyncDispose]();
    await this.env.scheduler.settle(stop());
  }
}

export async function startNode(options: NodeOptions = {}): Promise<TestNode> {
  // Its import takes real time, which virtual time would run ahead of.
  await loadCompiler();
  const env = options.env ?? createSimEnv({ seed: 'passport' });
  const kms = options.kms ?? createRamKms(env);
  const authority = await createAuthority({ kms, env, audience: 'test' });
  const table = options.table ?? (await tables.RAM(env));
  const store = await env.scheduler.settle(openPassportStore(table, env));
  const lines: string[] = [];
  const metrics = createMetrics();
  const settings = { ...configDefault, ...options.config };
  const hosted = await env.scheduler.settle(
    hostService(
      passport,
      {
        env,
        bus: createBus<KernelEvent>(),
        metrics,
        log: logInto(lines),
        authenticator: createAuthenticator({ authority, publicPrefixes: () => [] }),
      },
      {
        config: { current: () => settings, onChange: () => ({ [Symbol.dispose]: () => undefined }) },
        peers: {},
        engines: { authority: options.through?.(authority) ?? authority, kms, passports: store, serviceRights },
      },
    ),
  );
  return new TestNode({ env, kms, authority, store, metrics, lines, settings }, hosted);
}

/** The code of a refusal, or `ok`. */
export async function codeOf(task: () => unknown): Promise<string> {
  try {
    await task();
  } catch (error) {
    return (error as { code?: string }).code ?? `thrown: ${String(error)}`;
  }
  return 'ok';
}

/** Everything that is logged, as text, errors with their causes. */
function logInto(lines: string[], bound: LogFields = {}): Log {
  const write = (fields: LogFields, message: string) => {
    lines.push(JSON.stringify({ ...bound, ...fields, message }, shown));
  };
  return {
    debug: write,
    info: write,
    warn: write,
    error: write,
    child: (more) => logInto(lines, { ...bound, ...more }),
  };
}

function shown(_key: string, value: unknown): unknown {
  return value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
}
