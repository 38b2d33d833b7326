import { type Authority, createAuthenticator, createAuthority, servicePrincipal } from '@ron/auth';
import {
  type Config,
  createBus,
  createHealth,
  createMetrics,
  createSupervisor,
  type Env,
  type HealthState,
  type KernelBus,
  type KernelEvent,
  type Listener,
  type Log,
  type Metrics,
  type NetAddress,
} from '@ron/kernel';
import type { Contract, Peer } from '@ron/proto/contract';
import {
  bindLocal,
  type Gate,
  type HostedService,
  hostService,
  rightsFor,
  type Service,
  startOrder,
} from '@ron/service';
import { gateway } from '@ron/svc-gateway/service';
import { index } from '@ron/svc-index/service';
import { mailbox } from '@ron/svc-mailbox/service';
import { storage } from '@ron/svc-storage/service';
import type { MicronodeTables } from './config.ts';
import type { Engines } from './engines.ts';
import { listenHttp, listenOap } from './listen.ts';
import { nameSigner } from './name-signer.ts';
import { version } from './version.ts';

export interface MicronodeOptions {
  readonly env: Env;
  readonly config: Config<MicronodeTables>;
  readonly log: Log;
  readonly engines: Engines;
  readonly bus?: KernelBus;
  readonly metrics?: Metrics;
}

/** A running node. Dispose drains it: new calls are refused, running ones get `server.drain_ms`, then engines close. */
export interface Micronode extends AsyncDisposable {
  readonly http: NetAddress;
  readonly oap: NetAddress | undefined;
  readonly authority: Authority;
  readonly bus: KernelBus;
  readonly metrics: Metrics;
  gates(): readonly Gate[];
}

const services: readonly Service[] = [index, mailbox, storage, gateway];

/** What a service may take beyond the drain before it is left behind. */
const stopSlackMs = 5_000;

export async function startMicronode(options: MicronodeOptions): Promise<Micronode> {
  const { env, config, log } = options;
  const metrics = options.metrics ?? createMetrics();
  const bus = options.bus ?? createNodeBus(metrics);
  const node = config.table('server').current();
  // What is running is disposed in reverse, also when a later step of the start fails.
  await using stack = new AsyncDisposableStack();
  stack.defer(() => closeEngines(options.engines));
  const authority = await createAuthority({
    kms: options.engines.kms,
    env,
    audience: node.audience,
    onRefusal: (reason, capability_id) => log.info({ reason, capability_id }, 'capability refused'),
  });
  const health = createHealth(bus, metrics);
  const hosted = await startServices({ ...options, bus, metrics }, authority, health, stack);
  const dispatchers = [...hosted.values()].map(({ dispatcher }) => dispatcher);
  const gates = () => nodeGates(health, hosted, config);
  stack.use(measureNode(metrics, bus, gates));
  const parts = { env, config, log, metrics, bus, dispatchers, gates };
  const listeners: Listener[] = [];
  stack.defer(async () => {
    // Red and refusing before the listeners close; both get the same time, not one after the other.
    health.set('node', false, 'the node is stopping');
    void hosted.get('gateway')?.dispatcher.drain();
    await Promise.all(listeners.map((listener) => listener.close(node.drain_ms)));
  });
  const http = await listenHttp(parts);
  listeners.push(http);
  const oap = node.oap_listen === '' ? undefined : await listenOap(parts, node.oap_listen);
  if (oap !== undefined) listeners.push(oap);
  health.set('node', true);
  const running = stack.move();
  return {
    http: http.address,
    oap: oap?.address,
    authority,
    bus,
    metrics,
    gates,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** The bus of a process; what slow subscribers lose is counted. */
export function createNodeBus(metrics: Metrics): KernelBus {
  const dropped = metrics.counter('bus_overflow_dropped_total', 'Events that slow subscribers lost').labels();
  return createBus<KernelEvent>({ onDropped: (count) => dropped.inc(count) });
}

/** What every node shows about itself beside what its services count. */
function measureNode(metrics: Metrics, bus: KernelBus, gates: () => readonly Gate[]): Disposable {
  const build = { version: version.version, runtime: version.runtime };
  metrics.gauge('build_info', 'Always 1; the labels say what runs', ['version', 'runtime']).labels(build).set(1);
  const updates = metrics.counter('config_updates_total', 'Reloads that changed the configuration').labels();
  const events = bus.onEvent(({ type }) => {
    if (type === 'ConfigUpdated') updates.inc();
  });
  // Asking for the gates refreshes `ready{gate}`.
  const collecting = metrics.onCollect(() => void gates());
  return {
    [Symbol.dispose]() {
      collecting[Symbol.dispose]();
      events[Symbol.dispose]();
    },
  };
}

type StartOptions = MicronodeOptions & { readonly bus: KernelBus; readonly metrics: Metrics };

async function startServices(
  options: StartOptions,
  authority: Authority,
  health: HealthState,
  stack: AsyncDisposableStack,
): Promise<ReadonlyMap<string, HostedService>> {
  const { env, bus, metrics, log, config } = options;
  const { drain_ms, inflight_max } = config.table('server').current();
  const onCrash = (service: string, err: unknown) => log.error({ service, err }, 'service crashed');
  const supervisor = createSupervisor({ clock: env.clock, random: env.random, bus, health, metrics, onCrash });
  stack.defer(() => supervisor.stop());
  const authenticator = createAuthenticator({
    authority,
    publicPrefixes: () => config.table('gateway').current().public_prefixes,
  });
  const engines: Readonly<Record<string, unknown>> = {
    storage: { blobs: options.engines.blobs },
    index: { names: options.engines.names, signer: await nameSigner(options.engines.kms) },
    mailbox: { mailboxes: options.engines.mailboxes },
  };
  const hosted = new Map<string, HostedService>();
  const restarts = metrics.counter('service_restarts_total', 'Restarts after a crash', ['service']);
  for (const service of startOrder(services)) {
    const { name } = service.contract;
    // A series that appears with the first crash hides that crash from a rate.
    restarts.labels({ service: name }).inc(0);
    const start = async () => {
      const running = await hostService(
        service,
        { env, bus, metrics, log, authenticator, inflightMax: inflight_max, drainMs: drain_ms },
        {
          config: config.table(name as keyof MicronodeTables),
          peers: peersOf(service, hosted, env),
          engines: engines[name],
        },
      );
      hosted.set(name, running);
      return running;
    };
    await supervisor.supervise({ name, start, stopDeadlineMs: drain_ms + stopSlackMs });
  }
  return hosted;
}

/** Each service calls another as itself, with the rights that the other's contract asks for and no more. */
function peersOf(
  service: Service,
  hosted: ReadonlyMap<string, HostedService>,
  env: Env,
): Record<string, Peer<Contract>> {
  const peers: Record<string, Peer<Contract>> = {};
  for (const [key, contract] of Object.entries(service.uses)) {
    const principal = servicePrincipal(service.contract.name, rightsFor(contract));
    peers[key] = bindLocal(contract, () => hosted.get(contract.name)!.dispatcher, principal, env);
  }
  return peers;
}

/** Services are asked when somebody looks; what they say then stands in the node's health, its events and its metrics. */
function nodeGates(
  health: HealthState,
  hosted: ReadonlyMap<string, HostedService>,
  config: Config<MicronodeTables>,
): readonly Gate[] {
  const unsafe: readonly Gate[] = config.unsafeFields.map((field) => ({
    gate: `config.${field}`,
    ok: true,
    reason: 'past its safe bound',
  }));
  for (const service of hosted.values()) {
    for (const { gate, ok, reason } of service.gates()) health.set(gate, ok, reason);
  }
  return [...health.gates, ...unsafe];
}

/** The index service closes its own engine. */
async function closeEngines({ blobs, mailboxes, kms }: Engines): Promise<void> {
  // One that fails keeps none of the others open.
  await using stack = new AsyncDisposableStack();
  stack.use(kms);
  stack.use(blobs);
  stack.use(mailboxes);
}
