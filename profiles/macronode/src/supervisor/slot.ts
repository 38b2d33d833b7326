import type { Running } from '@ron/kernel';
import { type Clock, withDeadline } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Gate } from '@ron/service';
import type { Facts, StartOrder } from '../process/messages.ts';
import type { ProcessPlan } from '../topology.ts';
import type { Child, ChildOptions } from './child.ts';

/** A process as its slot knows it. */
export type SlotChild = Pick<Child, keyof Child>;

export interface SlotOptions {
  readonly plan: ProcessPlan;
  readonly order: Omit<StartOrder, 'isFirst' | 'addresses'>;
  readonly clock: Clock;
  readonly drainMs: number;
  readonly spawn: (options: ChildOptions) => SlotChild;
  readonly writeLog: (line: string) => void;
  /** Its gates changed, or it is another process now. */
  readonly onChange: () => void;
  /** Holds calls for it back (true) or lets them go on, wherever they come from. */
  readonly hold: (held: boolean) => Promise<void>;
}

/** To load its code, and then to be up. */
const startMsMax = 30_000;
/** Beyond the drain, for what is left to flush and close. */
const stopSlackMs = 3_000;

/** The place of one process: who is in it changes with restarts. */
export class Slot {
  readonly plan: ProcessPlan;
  readonly #options: SlotOptions;
  #standby: SlotChild | undefined;
  /** It has its order, and is not up yet. */
  #starting: SlotChild | undefined;
  #child: SlotChild | undefined;
  #stopping = false;
  #wasUp = false;
  /** Of the configuration file since the node was started. */
  #configText: string | undefined;
  #gates: readonly Gate[] = [];
  #startedMs = 0;
  #restarting: Promise<void> | undefined;
  facts: Facts = {};
  /** Restarts that somebody asked for. */
  replacements = 0;

  constructor(options: SlotOptions) {
    this.plan = options.plan;
    this.#options = options;
    this.#standby = this.#spawn();
  }

  get child(): SlotChild | undefined {
    return this.#child;
  }

  get gates(): readonly Gate[] {
    return this.#gates;
  }

  get uptimeMs(): number {
    return this.#child === undefined ? 0 : this.#options.clock.monotonicMs() - this.#startedMs;
  }

  /** For the kernel's supervisor: a process that ends by itself has crashed, whatever its exit code. */
  async start(): Promise<Running> {
    this.#stopping = false;
    await this.#begin();
    const crashed = Promise.withResolvers<never>();
    void this.#watch(crashed.reject);
    return { done: crashed.promise, [Symbol.asyncDispose]: () => this.#stop() };
  }

  /** Another process takes the place of this one: its code is loaded before, and calls wait while neither is there. */
  restart(): Promise<void> {
    this.#restarting ??= this.#replace().finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  /** What can change while it runs; who takes its place is told as well. */
  reload(text: string): void {
    this.#configText = text;
    this.#child?.tell({ kind: 'config', text });
  }

  /** What was prepared and is not needed. */
  discard(): void {
    this.#standby?.kill();
    this.#standby = undefined;
  }

  async #replace(): Promise<void> {
    const { hold, clock } = this.#options;
    this.#standby ??= this.#spawn();
    try {
      await withDeadline(clock, this.#standby.loaded, startMsMax, `the code of ${this.plan.name}`);
    } catch (error) {
      // The next restart begins with another one.
      this.discard();
      throw error;
    }
    await hold(true);
    try {
      await this.#end();
      await this.#begin();
      this.replacements += 1;
    } finally {
      await hold(false);
    }
  }

  async #begin(): Promise<void> {
    const { clock, order, onChange } = this.#options;
    if (this.#stopping) throw new RonError('unavailable', 'the node is stopping');
    const child = this.#standby ?? this.#spawn();
    this.#standby = undefined;
    this.#starting = child;
    try {
      const { http, oap } = this.facts;
      const addresses = { ...(http === undefined ? {} : { http }), ...(oap === undefined ? {} : { oap }) };
      const started = child.start({ ...order, addresses, isFirst: !this.#wasUp });
      this.facts = await withDeadline(clock, started, startMsMax, `the start of ${this.plan.name}`);
    } catch (error) {
      child.kill();
      await child.exited;
      throw error;
    } finally {
      this.#starting = undefined;
    }
    this.#child = child;
    this.#wasUp = true;
    if (this.#configText !== undefined) child.tell({ kind: 'config', text: this.#configText });
    this.#startedMs = clock.monotonicMs();
    onChange();
  }

  /** Until a process ends that nobody has asked to. */
  async #watch(crashed: (error: Error) => void): Promise<void> {
    for (;;) {
      const child = this.#child;
      if (child === undefined) return;
      const { code, signal } = await child.exited;
      const isReplaced = this.#restarting !== undefined;
      if (isReplaced) {
        try {
          await this.#restarting;
        } catch (error) {
          crashed(error as Error);
          return;
        }
        continue;
      }
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#gates = [];
      this.#options.onChange();
      crashed(new Error(`the process ended with ${signal ?? code}`));
      return;
    }
  }

  /** Also in the middle of a restart: who was to take its place does not. */
  async #stop(): Promise<void> {
    this.#stopping = true;
    this.discard();
    this.#starting?.kill();
    // Whoever asked for the restart hears why it failed.
    await Promise.all([this.#end(), this.#restarting?.catch(() => undefined)]);
  }

  async #end(): Promise<void> {
    const { clock, drainMs } = this.#options;
    const child = this.#child;
    this.#child = undefined;
    this.#gates = [];
    if (child === undefined) return;
    child.stop();
    const timer = clock.after(drainMs + stopSlackMs, () => child.kill());
    await child.exited;
    timer.cancel();
  }

  #spawn(): SlotChild {
    const { plan, writeLog, onChange, spawn } = this.#options;
    const options: ChildOptions = {
      name: plan.name,
      role: plan.role,
      writeLog,
      onGates: (gates) => {
        this.#gates = gates;
        onChange();
      },
    };
    return spawn(options);
  }
}
