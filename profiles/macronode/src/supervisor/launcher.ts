import {
  type Config,
  type ConfigSources,
  createBus,
  createHealth,
  createSupervisor,
  type Env,
  type KernelEvent,
  type Log,
  type Supervisor,
} from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { ProcessView } from '@ron/proto/processes';
import type { Gate } from '@ron/service';
import type { MacronodeTables } from '../config.ts';
import type { Facts } from '../process/messages.ts';
import { type ProcessPlan, planOf } from '../topology.ts';
import { mintProcessCapabilities } from './capabilities.ts';
import { Child } from './child.ts';
import { Slot } from './slot.ts';

export interface LauncherOptions {
  readonly env: Env;
  readonly config: Config<MacronodeTables>;
  /** What `config` was made from: each process makes its own from it. */
  readonly sources: ConfigSources;
  /** Absolute. */
  readonly folder: string;
  readonly runFolder: string;
  readonly log: Log;
  readonly writeLog: (line: string) => void;
}

const stopSlackMs = 5_000;
const holdMsMax = 12_000;

/** The processes of a macronode, under supervision. Dispose stops them in reverse, each within its drain. */
export class Launcher implements AsyncDisposable {
  readonly #options: LauncherOptions;
  readonly #supervisor: Supervisor;
  readonly #slots: readonly Slot[];
  #rolling: Promise<void> | undefined;
  #told = '';

  /** Spawns all processes; they wait, with their code loaded, for `start`. */
  constructor(options: LauncherOptions) {
    this.#options = options;
    const { env, config, log } = options;
    const bus = createBus<KernelEvent>();
    const onCrash = (process: string, err: unknown) => log.error({ ended: process, err }, 'a process ended');
    const ports = { clock: env.clock, random: env.random, bus, health: createHealth(bus), onCrash };
    this.#supervisor = createSupervisor(ports);
    const plans = planOf(config.table('topology').current().gateways);
    const capabilities = mintProcessCapabilities(plans, env);
    this.#slots = plans.map((plan) => this.#slotOf(plan, plans, capabilities));
  }

  /** Each is up before the next, which asks it. Rejects with `StartFailed` when one cannot start. */
  async start(): Promise<void> {
    const { drain_ms } = this.#options.config.table('server').current();
    for (const slot of this.#slots) {
      const spec = { name: slot.plan.name, start: () => slot.start(), stopDeadlineMs: drain_ms + stopSlackMs };
      await this.#supervisor.supervise(spec);
    }
  }

  /** What each process told when it started, together. */
  get facts(): Facts {
    return Object.assign({}, ...this.#slots.map(({ facts }) => facts)) as Facts;
  }

  list(): readonly ProcessView[] {
    const status = new Map(this.#supervisor.status.map((one) => [one.service, one]));
    return this.#slots.map((slot) => {
      const { state = 'starting', restarts = 0, reason } = status.get(slot.plan.name) ?? {};
      const red = slot.gates.find(({ ok }) => !ok);
      const why = red === undefined ? reason : `${red.gate}: ${red.reason ?? 'not ready'}`;
      return {
        process: slot.plan.name,
        state,
        services: [...slot.plan.services],
        ...(slot.child === undefined ? {} : { pid: slot.child.pid }),
        uptime_ms: Math.floor(slot.uptimeMs),
        crashes: restarts,
        restarts: slot.replacements,
        ...(why === undefined ? {} : { reason: why }),
        ready: state === 'running' && red === undefined && slot.child !== undefined,
      };
    });
  }

  /**
   * One process, or one after the other all that can be replaced without a refused call: omnigate holds the port, so it is
   * replaced only when it is named. Rejects with `not_found`, or `conflict` while another restart runs. */
  async restart(name?: string): Promise<void> {
    const isMeant = ({ plan }: Slot) => (name === undefined ? plan.role !== 'omnigate' : plan.name === name);
    const slots = this.#slots.filter(isMeant);
    if (slots.length === 0) throw new RonError('not_found', `there is no process ${name}`);
    if (this.#rolling !== undefined) throw new RonError('conflict', 'another restart is under way');
    this.#rolling = this.#roll(slots).finally(() => {
      this.#rolling = undefined;
    });
    await this.#rolling;
  }

  /** The valid text of the configuration file, to all processes, and those that take their places: what can change while they run does. */
  reload(text: string): void {
    for (const slot of this.#slots) slot.reload(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor.stop();
    for (const slot of this.#slots) slot.discard();
  }

  async #roll(slots: readonly Slot[]): Promise<void> {
    for (const slot of slots) {
      if (this.#supervisor.release(slot.plan.name)) continue;
      if (slot.child === undefined)
        throw new RonError('conflict', `${slot.plan.name} is not running; it is started again`);
      await slot.restart();
    }
  }

  #slotOf(
    plan: ProcessPlan,
    plans: readonly ProcessPlan[],
    capabilities: ReturnType<typeof mintProcessCapabilities>,
  ): Slot {
    const { env, config, sources, folder, runFolder, writeLog } = this.#options;
    return new Slot({
      plan,
      clock: env.clock,
      drainMs: config.table('server').current().drain_ms,
      spawn: (options) => new Child(options),
      writeLog,
      order: {
        kind: 'start',
        name: plan.name,
        role: plan.role,
        sources,
        dataFolder: `${folder}/${plan.name}`,
        runFolder,
        key: capabilities.keyOf(plan.name),
        capabilities: capabilities.of(plan),
        gateways: plans.filter(({ role }) => role === 'gateway').map(({ name }) => name),
      },
      onChange: () => this.#tellCluster(),
      hold: (held) => this.#hold(plan.name, held),
    });
  }

  /** All others stop calling it, or call it again; who does not answer is not waited for. */
  async #hold(name: string, held: boolean): Promise<void> {
    const { clock } = this.#options.env;
    const late = Promise.withResolvers<void>();
    const timer = clock.after(holdMsMax, late.resolve);
    const others = this.#slots.filter(({ plan }) => plan.name !== name);
    await Promise.race([Promise.all(others.map(({ child }) => child?.pause(name, held))), late.promise]);
    timer.cancel();
  }

  /** The front is not ready without what is behind it. Of gateways it knows by itself how many it needs. */
  #tellCluster(): void {
    const gates: readonly Gate[] = this.list()
      .filter(({ services: [service] }) => service !== 'omnigate' && service !== 'gateway')
      .map(({ process, ready, state, reason }) => ({
        gate: `process:${process}`,
        ok: ready,
        ...(ready ? {} : { reason: reason ?? state }),
      }));
    const text = JSON.stringify(gates);
    const front = this.#slots.find(({ plan }) => plan.role === 'omnigate')?.child;
    if (front === undefined || `${front.pid} ${text}` === this.#told) return;
    this.#told = `${front.pid} ${text}`;
    front.tell({ kind: 'cluster', gates });
  }
}
