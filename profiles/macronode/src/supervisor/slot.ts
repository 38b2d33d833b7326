import type { Running } from '@ron/kernel';
import { type Clock, withDeadline } from '@ron/kernel';
import type { Gate } from '@ron/service';
import type { Facts, StartOrder } from '../process/messages.ts';
import type { ProcessPlan } from '../topology.ts';
import { Child, type ChildOptions } from './child.ts';

export interface SlotOptions {
  readonly plan: ProcessPlan;
  readonly order: StartOrder;
  readonly clock: Clock;
  readonly drainMs: number;
  readonly writeLog: (line: string) => void;
  /** Its gates changed, or it is another process now. */
  readonly onChange: () => void;
  /** Holds calls for it back (true) or lets them go on, wherever they come from. */
  readonly hold: (held: boolean) => Promise<void>;
}

const startMsMax = 30_000;
/** Beyond the drain, for what is left to flush and close. */
const stopSlackMs = 3_000;

/** The place of one process: who is in it changes with restarts. */
export class Slot {
  readonly plan: ProcessPlan;
  readonly #options: SlotOptions;
  #standby: Child | undefined;
  #child: Child | undefined;
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

  get child(): Child | undefined {
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
    await this.#begin();
    const crashed = Promise.withResolvers<never>();
    void this.#watch(crashed.reject);
    return { done: crashed.promise, [Symbol.asyncDispose]: () => this.#end() };
  }

  /** Another process takes the place of this one: its code is loaded before, and calls wait while neither is there. */
  restart(): Promise<void> {
    this.#restarting ??= this.#replace().finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  /** What was prepared and is not needed. */
  discard(): void {
    this.#standby?.kill();
    this.#standby = undefined;
  }

  async #replace(): Promise<void> {
    const { hold } = this.#options;
    this.#standby ??= this.#spawn();
    await this.#standby.loaded;
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
    const child = this.#standby ?? this.#spawn();
    this.#standby = undefined;
    try {
      const { http, oap } = this.facts;
      const addresses = { ...(http === undefined ? {} : { http }), ...(oap === undefined ? {} : { oap }) };
      const started = child.start({ ...order, addresses });
      this.facts = await withDeadline(clock, started, startMsMax, `the start of ${this.plan.name}`);
    } catch (error) {
      child.kill();
      await child.exited;
      throw error;
    }
    this.#child = child;
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

  #spawn(): Child {
    const { plan, writeLog, onChange } = this.#options;
    const options: ChildOptions = {
      name: plan.name,
      role: plan.role,
      writeLog,
      onGates: (gates) => {
        this.#gates = gates;
        onChange();
      },
    };
    return new Child(options);
  }
}
