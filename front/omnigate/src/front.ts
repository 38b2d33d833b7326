import type { Env, Log, Metrics } from '@ron/kernel';
import type { CapabilityView } from '@ron/proto/capability';
import type { Contract } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { gatewayContract } from '@ron/proto/gateway';
import { type Authenticator, createMeters, type Dispatcher, type Gate, type LiveConfig, uuidV7 } from '@ron/service';
import type { Backend } from './backends/backend.ts';
import { type BackendAddress, Backends } from './backends/backends.ts';
import { capabilityBytes, isRefusalOfToken, ofBackend, refusalOf, remoteOf } from './calls/call-request.ts';
import { RetryBudget } from './calls/retry.ts';
import { WaitingRoom } from './calls/waiting-room.ts';
import type { OmnigateConfig } from './config.ts';
import { FairQueue } from './fair/fair-queue.ts';
import { createFrontAuthenticator } from './front-authenticator.ts';
import { FrontDispatcher, type FrontParts } from './front-dispatcher.ts';
import { type Caller, TenantIdentity, unknownLane } from './identity.ts';
import { createFrontMeters, type FrontMeters } from './metrics.ts';

export interface FrontOptions {
  readonly env: Env;
  readonly config: LiveConfig<OmnigateConfig>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly backends: readonly BackendAddress[];
}

/** The front of a cluster: what it passes on, and to whom. Dispose it after its dispatchers have drained. */
export interface Front extends Disposable {
  readonly backends: Backends;
  readonly queue: FairQueue<Backend>;
  /** Carries one contract of the backends, as if it were answered here. */
  dispatcher(contract: Contract): Dispatcher;
  /** Who calls the front itself: what a backend says of the token. */
  readonly authenticator: Authenticator;
  gates(): readonly Gate[];
}

/** A question whose the token is, in line and at the backend. */
const whoseMs = 2_000;
const whoseCost = 4_096;
/** The gate is red while more than this part of the line is taken. */
const queueRedAt = 0.9;

/** Begins to ask the backends at once. Throws `RangeError` without any, with two of one name, or with more than 64. */
export function createFront({ env, config, log, metrics, backends: addresses }: FrontOptions): Front {
  let meters: (FrontMeters & Disposable) | undefined;
  const backends = new Backends({
    env,
    config,
    addresses,
    onPhase(backend) {
      const { phase, reason } = backend.health;
      log.warn({ backend: backend.name, phase, reason }, 'a backend changed');
      meters?.phase(backend.name, phase);
      const refusal = backends.refusal();
      if (refusal === undefined) queue.pump();
      else queue.flush(refusal);
    },
  });
  const queue = new FairQueue<Backend>({
    clock: env.clock,
    limits() {
      const { queue_wait_ms, queue_calls_max, queue_tenant_calls_max, tenants_max } = config.current();
      return {
        waitMsMax: queue_wait_ms,
        waitingMax: queue_calls_max,
        lanePendingMax: queue_tenant_calls_max,
        lanesMax: tenants_max,
      };
    },
    capacity: () => backends.capacity,
    take: () => backends.take(),
    giveBack: (backend) => backends.giveBack(backend),
  });
  meters = createFrontMeters(metrics, {
    queue: () => ({ waiting: queue.waiting, lanes: queue.lanes }),
    backends: () => backends.all,
  });
  for (const { name, health } of backends.all) meters.phase(name, health.phase);
  const whose = createWhose(env, queue, backends);
  const { identities_max, identity_ms } = config.current();
  const identity = new TenantIdentity({
    clock: env.clock,
    work: env.work,
    whose,
    keepMs: identity_ms,
    entriesMax: identities_max,
  });
  const shared = { env, log, config, backends, queue, identity, meters };
  const parts: FrontParts = { ...shared, budget: new RetryBudget(), waitingRoom: new WaitingRoom() };
  const golden = createMeters(metrics, 'omnigate');
  backends.start();
  return {
    backends,
    queue,
    dispatcher: (contract) => new FrontDispatcher(contract, parts, golden),
    authenticator: createFrontAuthenticator(whoseOfOperator(env, whose, backends)),
    gates: () => gatesOf(backends, queue, config.current()),
    [Symbol.dispose]() {
      meters?.[Symbol.dispose]();
      backends[Symbol.dispose]();
    },
  };
}

type Whose = (token: string | Uint8Array, asker: Caller, remote: string) => Promise<CapabilityView | undefined>;

/** Asks a backend whose a token is, with that token, in line like any other call of the asker. */
function createWhose(env: Env, queue: FairQueue<Backend>, backends: Backends): Whose {
  return async (token, { lane, line }, remote) => {
    const capability = capabilityBytes(token);
    if (capability === undefined) return undefined;
    const refusal = backends.refusal();
    if (refusal !== undefined) throw refusal;
    const deadlineMs = env.clock.monotonicMs() + whoseMs;
    const turn = await queue.enter({ lane, line, cost: whoseCost, deadlineMs });
    try {
      return await askWhose(env, turn.room, capability, remote, deadlineMs);
    } finally {
      backends.giveBack(turn.room);
      turn.end();
    }
  };
}

/**
 * As `whose`, and when nobody who takes calls answers, by who does not: whoever drained all backends must be let in to take
 * one back. Past the line and the limits of those backends; how many ask at a time the authenticator bounds.
 */
function whoseOfOperator(
  env: Env,
  whose: Whose,
  backends: Backends,
): (token: string | Uint8Array, remote: string) => Promise<CapabilityView | undefined> {
  return async (token, remote) => {
    try {
      return await whose(token, { lane: unknownLane, line: '' }, remote);
    } catch (error) {
      const capability = capabilityBytes(token);
      if (capability === undefined || !isSilence(error)) throw error;
      const deadlineMs = env.clock.monotonicMs() + whoseMs;
      for (const backend of backends.lastResorts) {
        if (env.clock.monotonicMs() >= deadlineMs) break;
        try {
          return await askWhose(env, backend, capability, remote, deadlineMs);
        } catch (silence) {
          if (!isSilence(silence)) throw silence;
        }
      }
      throw error;
    }
  };
}

/** Nobody said anything about the token. */
function isSilence(error: unknown): boolean {
  return error instanceof RonError && (error.code === 'unavailable' || error.code === 'deadline_exceeded');
}

/** Undefined: the token is not good. Rejects with `RonError` when the backend cannot tell. */
async function askWhose(
  env: Env,
  backend: Backend,
  capability: Uint8Array,
  remote: string,
  deadlineMs: number,
): Promise<CapabilityView | undefined> {
  try {
    const { reply, done } = await backend.call({
      app: gatewayContract.app,
      operation: 'whoami',
      input: {},
      capability,
      corrId: uuidV7(env),
      timeoutMs: deadlineMs - env.clock.monotonicMs(),
      waits: false,
      restartable: true,
      timed: true,
      lateTells: true,
      label: 'gateway.whoami',
      ...remoteOf(remote),
    });
    done();
    return reply.output as CapabilityView;
  } catch (error) {
    if (error instanceof RonError && isRefusalOfToken(error)) return undefined;
    throw ofBackend(refusalOf(error));
  }
}

function gatesOf(backends: Backends, queue: FairQueue<Backend>, config: Readonly<OmnigateConfig>): readonly Gate[] {
  const refusal = backends.refusal();
  const full = queue.waiting > config.queue_calls_max * queueRedAt;
  return [
    refusal === undefined ? { gate: 'backends', ok: true } : { gate: 'backends', ok: false, reason: refusal.message },
    full ? { gate: 'queue', ok: false, reason: `${queue.waiting} calls wait in line` } : { gate: 'queue', ok: true },
  ];
}
