import { createAuthenticator, createVerifier, processKeyExaminer } from '@ron/auth';
import type { Listener } from '@ron/kernel';
import { bindOapServer, type Gate, listenHttp, OapPool, parseTrustedProxies, privatePlane, uuidV7 } from '@ron/service';
import { operatorSocket, privateSocket, publicSocket, type Role } from '../topology.ts';
import { version } from '../version.ts';
import type { Facts } from './messages.ts';
import type { RoleParts, RunningRole } from './parts.ts';

/** A role with its sockets. Dispose drains it: new calls are refused, running ones get `server.drain_ms`. */
export interface ServedRole extends AsyncDisposable {
  readonly facts: Facts;
  gates(): readonly Gate[];
  pause(target: string, paused: boolean): Promise<void>;
  cluster(gates: readonly Gate[]): void;
}

type Base = Omit<RoleParts, 'pool' | 'publicPool'>;
export type StartRole = (parts: RoleParts) => Promise<RunningRole>;

/** The code of a role: each process loads its own only. */
export async function loadRole(role: Role): Promise<StartRole> {
  switch (role) {
    case 'trust':
      return (await import('../roles/trust.ts')).startTrust;
    case 'index':
      return (await import('../roles/index-role.ts')).startIndex;
    case 'mailbox':
      return (await import('../roles/mailbox.ts')).startMailbox;
    case 'storage':
      return (await import('../roles/storage.ts')).startStorage;
    case 'edge':
      return (await import('../roles/edge.ts')).startEdge;
    case 'gateway':
      return (await import('../roles/gateway.ts')).startGateway;
    case 'omnigate':
      return (await import('../roles/omnigate.ts')).startOmnigateRole;
  }
}

/** What was opened is closed again when a later step fails. */
export async function serveRole(start: StartRole, base: Base): Promise<ServedRole> {
  try {
    return await openRole(start, base);
  } catch (error) {
    await base.stack.disposeAsync();
    throw error;
  }
}

async function openRole(start: StartRole, base: Base): Promise<ServedRole> {
  const { stack, order } = base;
  const pools = new Pools(base);
  stack.use(pools);
  const running = await start({
    ...base,
    pool: (role) => pools.open(role, 'private'),
    publicPool: (role) => pools.open(role, 'public'),
  });
  let stopping = false;
  const gates = (): readonly Gate[] => [
    ...(stopping ? [{ gate: 'process', ok: false, reason: 'it is stopping' }] : []),
    ...running.hosted.flatMap((service) => service.gates()),
    ...(running.gates?.() ?? []),
  ];
  const listeners = await listen(base, running);
  if (order.role !== 'omnigate') listeners.push(await listenForOperator(base, gates));
  stack.defer(async () => {
    stopping = true;
    const { drain_ms } = base.config.table('server').current();
    // What waits idle ends at once; the rest has the time of the drain.
    for (const { dispatcher } of running.hosted) void dispatcher.drain();
    await Promise.all(listeners.map((listener) => listener.close(drain_ms)));
  });
  return {
    facts: running.facts ?? {},
    gates,
    async pause(target, paused) {
      pools.pause(target, paused);
      await running.pause?.(target, paused);
    },
    cluster: (gates) => running.cluster?.(gates),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function listen(
  { order, env, log, metrics }: Base,
  { privately = [], publicly = [], controlBytesMax }: RunningRole,
): Promise<Listener[]> {
  const identity = { server_version: version.version, node_id: uuidV7(env), transports: ['unix'], revocation_seq: 0 };
  const { name, runFolder } = order;
  const common = { env, log, metrics, identity };
  const opened: Listener[] = [];
  if (privately.length > 0) {
    const key = Buffer.from(order.key, 'base64');
    const verifier = createVerifier(processKeyExaminer({ key }), { env, audience: name });
    const authenticator = createAuthenticator({ authority: verifier, publicPrefixes: () => [] });
    const dispatchers = privately.map((dispatcher) => privatePlane(dispatcher, authenticator));
    const address = { kind: 'unix', path: privateSocket(runFolder, name) } as const;
    opened.push(await bindOapServer({ ...common, address, dispatchers }));
  }
  if (publicly.length > 0) {
    const address = { kind: 'unix', path: publicSocket(runFolder, name) } as const;
    // Whoever can open the socket is a process of this node, and says for whom it calls.
    const trustedProxies = parseTrustedProxies(['unix']);
    const bytes = controlBytesMax === undefined ? {} : { controlBytesMax };
    opened.push(await bindOapServer({ ...common, address, dispatchers: publicly, trustedProxies, ...bytes }));
  }
  return opened;
}

/** What only this process knows, on a socket that only its user can open. */
function listenForOperator(
  { order, env, log, metrics, config }: Base,
  gates: () => readonly Gate[],
): Promise<Listener> {
  return listenHttp({
    ...{ env, log, metrics, gates },
    address: { kind: 'unix', path: operatorSocket(order.runFolder, order.name) },
    settings: () => ({ ...config.table('front').current(), access_log: 'off' }),
    dispatchers: [],
    version: () => ({ ...version, name: order.name, config_version: config.version }),
    openApi: () => ({}),
  });
}

/** Connections to other processes, opened with the first call. */
class Pools implements AsyncDisposable {
  readonly #base: Base;
  readonly #open = new Map<string, OapPool>();

  constructor(base: Base) {
    this.#base = base;
  }

  open(role: Role, plane: 'private' | 'public'): OapPool {
    const { env, order } = this.#base;
    const key = `${plane} ${role}`;
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const token = plane === 'private' ? order.capabilities[role] : undefined;
    if (plane === 'private' && token === undefined) throw new Error(`${order.name} has no business with ${role}`);
    const bytes = token === undefined ? undefined : new TextEncoder().encode(token);
    const socket = plane === 'private' ? privateSocket : publicSocket;
    const address = { kind: 'unix', path: socket(order.runFolder, role) } as const;
    const pool = new OapPool({ env, address, capability: () => bytes, agent: order.name });
    this.#open.set(key, pool);
    return pool;
  }

  pause(target: string, paused: boolean): void {
    for (const plane of ['private', 'public']) {
      const pool = this.#open.get(`${plane} ${target}`);
      if (paused) pool?.pause();
      else pool?.resume();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.values()].map((pool) => pool[Symbol.asyncDispose]()));
  }
}
