import type { Metrics } from '@ron/metrics';
import type { KernelBus } from './kernel-bus.ts';

/** More gates than this means that one is made per request or per peer. */
const gatesMax = 256;

/** One condition for being ready, with the reason that an operator reads. */
export interface GateState {
  readonly gate: string;
  readonly ok: boolean;
  readonly reason: string;
}

/** Readiness: the node is ready while there is at least one gate and all are ok. */
export interface HealthState {
  readonly ready: boolean;
  /** Sorted by name. */
  readonly gates: readonly GateState[];
  /** Sets a gate; a change of `ok` is published as `Health{service: gate, ok}`. */
  set(gate: string, ok: boolean, reason?: string): void;
  remove(gate: string): void;
}

/** With `metrics`, every gate is also the gauge `ready{gate}`. */
export function createHealth(bus: KernelBus, metrics?: Metrics): HealthState {
  const gauge = metrics?.gauge('ready', '1 while the gate lets the node be ready', ['gate']);
  const gates = new Map<string, GateState>();
  return {
    get ready() {
      return gates.size > 0 && gates.values().every((state) => state.ok);
    },
    get gates() {
      return [...gates.values()].sort((a, b) => (a.gate < b.gate ? -1 : 1));
    },
    set(gate, ok, reason = '') {
      const before = gates.get(gate);
      if (before === undefined && gates.size >= gatesMax) throw new RangeError(`more than ${gatesMax} gates`);
      gates.set(gate, { gate, ok, reason });
      if (before?.ok === ok) return;
      gauge?.labels({ gate }).set(ok ? 1 : 0);
      bus.publish({ type: 'Health', service: gate, ok });
    },
    remove(gate) {
      if (gates.delete(gate)) gauge?.labels({ gate }).set(0);
    },
  };
}
