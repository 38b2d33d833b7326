import { audit } from '@ron/audit/service';
import { type Authority, servicePrincipal } from '@ron/auth';
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
  type LoadMeter,
  type Log,
  type Metrics,
  type NetAddress,
} from '@ron/kernel';
import { kms } from '@ron/kms/service';
import { policy } from '@ron/policy/service';
import type { Right } from '@ron/proto/capability';
import type { Contract, Peer } from '@ron/proto/contract';
import type { Contact } from '@ron/proto/network';
import { passportContract } from '@ron/proto/passport';
import {
  bindLocal,
  type Gate,
  type HostedService,
  hostService,
  type Pressure,
  rightsFor,
  type Service,
  startOrder,
} from '@ron/service';
import { edge } from '@ron/svc-edge/service';
import { gateway } from '@ron/svc-gateway/service';
import { index } from '@ron/svc-index/service';
import { mailbox } from '@ron/svc-mailbox/service';
import { passport } from '@ron/svc-passport/service';
import { registry } from '@ron/svc-registry/service';
import { storage } from '@ron/svc-storage/service';
import { pressureOf } from './capacity.ts';
import type { MicronodeTables } from './config.ts';
import type { Engines } from './engines.ts';
import { listenHttp, listenOap } from './listen.ts';
import { nameSigner } from './name-signer.ts';
import { nearMemory } from './near-memory.ts';
import type { NetworkPlane } from './network/network-plane.ts';
import { nodeIdOf } from './node-identity.ts';
import { controlBytesUnderPolicy, ratesUnderPolicy, underPolicy } from './policy-overlay.ts';
import { stopServing } from './stopping.ts';
import { openTrustPlane, type TrustPlane } from './trust-plane.ts';
import { version } from './version.ts';

export interface MicronodeOptions {
  readonly env: Env;
  readonly config: Config<MicronodeTables>;
  readonly log: Log;
  /** Where the lines of the access log go; `log` by default. */
  readonly accessLog?: Log;
  readonly engines: Engines;
  readonly bus?: KernelBus;
  readonly metrics?: Metrics;
  /** Makes the node refuse calls that its process has no capacity for. Absent: only its ceilings do. */
  readonly load?: LoadMeter;
  /** Which addresses of other nodes may be dialled, where `network.dial_private` does not allow all. Absent: none. */
  readonly mayDial?: (address: string) => boolean;
}

/** A running node. Dispose drains it: new calls are refused, running ones get `server.drain_ms`, then engines close. */
export interface Micronode extends AsyncDisposable {
  readonly http: NetAddress;
  readonly oap: NetAddress | undefined;
  /** Where other nodes reach it; undefined: it is alone. */
  readonly contact: Contact | undefined;
  readonly authority: Authority;
  readonly trust: TrustPlane;
  readonly bus: KernelBus;
  readonly metrics: Metrics;
  gates(): readonly Gate[];
}

const ownServices: readonly Service[] = [
  kms,
  policy,
  audit,
  passport,
  registry,
  index,
  mailbox,
  storage,
  edge,
  gateway,
];

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
  const { kms: keys } = options.engines.trust;
  const serviceRights = new Map(ownServices.map((service) => [service.contract.name, rightsOf(service)]));
  const trust = await openTrustPlane({ env, config, log, metrics, engines: options.engines.trust, serviceRights });
  options.engines.limitMailboxesBy(trust.policy);
  const health = createHealth(bus, metrics);
  const pressure = stack.adopt(pressureOf({ ...options, metrics }), (opened) => opened?.[Symbol.dispose]());
  const hosted = new Map<string, HostedService>();
  const network = await networkOf(options, metrics, trust, hosted);
  if (network !== undefined) {
    stack.use(network);
    stack.use(options.engines.onQuarantined((address) => network.mend(address)));
  }
  await startServices({ ...options, bus, metrics, pressure, network, hosted }, trust, health, stack);
  // In the background: the node is ready before others know what it has.
  network
    ?.announceAll(liveAddresses(options.engines))
    .catch((err: unknown) => log.warn({ err }, 'not all objects were announced'));
  // The first thing that the node asks of its own services, as a node of a cluster asks another's.
  const me = servicePrincipal('auth', rightsFor(passportContract));
  const peer = bindLocal(passportContract, () => hosted.get('passport')!.dispatcher, me, env);
  stack.use(await trust.follow({ since: (since, wait_ms) => peer.revocations({ since, wait_ms }) }));
  const dispatchers = [...hosted.values()].map(({ dispatcher }) => dispatcher);
  const gates = () => {
    setDamageGate(health, options.engines.trust.damage, config.table('disk').current().accept_lost_changes);
    return nodeGates(health, hosted, config, pressure);
  };
  stack.use(measureNode(metrics, bus, gates));
  const identity = { nodeId: await nodeIdOf(keys, env.work), revocationSeq: () => trust.revocationSeq };
  const controlBytesMax = () => controlBytesUnderPolicy(trust.policy);
  const { accessLog = log } = options;
  const parts = { env, config, log, accessLog, metrics, bus, dispatchers, gates, identity, controlBytesMax };
  const listeners: Listener[] = [];
  stack.defer(async () => {
    const leftMs = await stopServing({ env, health, pressure, gateway: hosted.get('gateway'), server: node });
    await Promise.all(listeners.map((listener) => listener.close(leftMs)));
  });
  const http = await listenHttp(parts);
  listeners.push(http);
  const oap = node.oap_listen === '' ? undefined : await listenOap(parts, node.oap_listen);
  if (oap !== undefined) listeners.push(oap);
  health.set('node', true);
  health.set('draining', true);
  const running = stack.move();
  return {
    http: http.address,
    oap: oap?.address,
    contact: network?.contact,
    authority: trust.authority,
    trust,
    bus,
    metrics,
    gates,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function* liveAddresses({ blobs }: Engines): Generator<string> {
  for (const { address, state } of blobs.entries()) if (state === 'live') yield address;
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

type StartOptions = MicronodeOptions & {
  readonly bus: KernelBus;
  readonly metrics: Metrics;
  readonly pressure: Pressure | undefined;
  readonly network: NetworkPlane | undefined;
  /** Filled as they start. */
  readonly hosted: Map<string, HostedService>;
};

/** Undefined: the node is alone, and no code of the network is loaded. */
async function networkOf(
  { env, config, log, engines, mayDial }: MicronodeOptions,
  metrics: Metrics,
  trust: TrustPlane,
  hosted: ReadonlyMap<string, HostedService>,
): Promise<NetworkPlane | undefined> {
  const { listen, dial_private } = config.table('network').current();
  if (listen === '') return undefined;
  const { openNetwork } = await import('./network/network-plane.ts');
  return await openNetwork({
    env,
    config,
    kms: engines.trust.kms,
    log,
    metrics,
    mayDial: dial_private ? () => true : (mayDial ?? (() => false)),
    remembers: engines.blobs.durability === 'fsync',
    authenticator: trust.authenticator,
    policy: trust.policy.stage,
    revocationSeq: () => trust.revocationSeq,
    blobs: engines.blobs,
    hosted: (name) => hosted.get(name),
  });
}

async function startServices(
  options: StartOptions,
  trust: TrustPlane,
  health: HealthState,
  stack: AsyncDisposableStack,
): Promise<void> {
  const { env, bus, metrics, log, config, network, hosted } = options;
  const { drain_ms, inflight_max } = config.table('server').current();
  const onCrash = (service: string, err: unknown) => log.error({ service, err }, 'service crashed');
  const supervisor = createSupervisor({ clock: env.clock, random: env.random, bus, health, metrics, onCrash });
  stack.defer(() => supervisor.stop());
  const engines: Readonly<Record<string, unknown>> = {
    ...trust.serviceEngines,
    ...network?.engines,
    storage: {
      blobs: options.engines.blobs,
      ...(network && { presence: network.presence }),
    },
    edge: { near: nearMemory(options.engines.blobs), ...(network && { far: network.far }) },
    index: {
      names: options.engines.names,
      signer: await nameSigner(options.engines.trust.kms),
      ...(network && { elsewhere: network.elsewhere }),
    },
    mailbox: { mailboxes: options.engines.mailboxes },
    gateway: {
      ratesOf: ratesUnderPolicy(config, trust.policy),
      policy: trust.policy.stage,
      quotas: options.engines.quotas,
      ...(network && { copies: network.copies }),
    },
  };
  const { authenticator, audit: auditStage } = trust;
  const restarts = metrics.counter('service_restarts_total', 'Restarts after a crash', ['service']);
  for (const service of startOrder([...ownServices, ...(network?.services ?? [])])) {
    const { name } = service.contract;
    // A series that appears with the first crash hides that crash from a rate.
    restarts.labels({ service: name }).inc(0);
    const start = async () => {
      const running = await hostService(
        service,
        {
          env,
          bus,
          metrics,
          log,
          authenticator,
          policy: trust.policy.stage,
          audit: auditStage,
          // One quota for all that clients ask of a node.
          admit: (admission) => hosted.get('gateway')?.admit?.(admission),
          ...(options.pressure === undefined ? {} : { pressure: options.pressure }),
          inflightMax: inflight_max,
          drainMs: drain_ms,
        },
        {
          config: underPolicy<object>(config.table(name as keyof MicronodeTables), trust.policy),
          peers: peersOf(service, hosted, env),
          engines: engines[name],
        },
      );
      hosted.set(name, running);
      return running;
    };
    await supervisor.supervise({ name, start, stopDeadlineMs: drain_ms + stopSlackMs });
  }
}

/** What a service may ask of those that it uses. */
function rightsOf({ uses }: Service): readonly Right[] {
  return Object.values(uses).flatMap(rightsFor);
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
  pressure: Pressure | undefined,
): readonly Gate[] {
  const unsafe: readonly Gate[] = config.unsafeFields.map((field) => ({
    gate: `config.${field}`,
    ok: true,
    reason: 'past its safe bound',
  }));
  for (const service of hosted.values()) {
    for (const { gate, ok, reason } of service.gates()) health.set(gate, ok, reason);
  }
  const measured = new Map((pressure?.gates() ?? []).map((gate) => [gate.gate, gate]));
  for (const { gate, ok, reason } of measured.values()) health.set(gate, ok, reason);
  return [...health.gates.map((state) => measured.get(state.gate) ?? state), ...unsafe];
}

/**
 * A revocation, a policy or a snapshot that went bad on disk leaves the older state in force, which looks whole. So
 * the node is not ready before somebody has looked: docs/specs/policy.md, "When nothing goes on".
 */
function setDamageGate(health: HealthState, damage: readonly string[], accepted: boolean): void {
  const [first] = damage;
  health.set('trust-records', first === undefined || accepted, first && `changes were lost: ${first}`);
}

/** The services of index, policy and registry close their own engines. */
async function closeEngines({ blobs, mailboxes, trust, quotas }: Engines): Promise<void> {
  // One that fails keeps none of the others open. In reverse: the keystore last, which the audit log signs with.
  await using stack = new AsyncDisposableStack();
  stack.use(trust.kms);
  stack.use(trust.audit);
  stack.use(trust.cosigned);
  stack.use(trust.passports);
  stack.use(blobs);
  stack.use(mailboxes);
  if (quotas !== undefined) stack.use(quotas);
}
