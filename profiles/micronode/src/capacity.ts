import type { Env, LoadMeter, Log, Metrics } from '@ron/kernel';
import { createPressure, type Pressure } from '@ron/service';
import type { GatewayConfig } from '@ron/svc-gateway/service';
import type { Reads, ServerConfig } from './config.ts';

interface CapacityParts {
  readonly env: Env;
  readonly log: Log;
  readonly config: Reads<'server', Pick<ServerConfig, 'inflight_max'>> & Reads<'gateway', GatewayConfig>;
  readonly metrics: Metrics;
  readonly load?: LoadMeter;
}

/** One for the whole process: its services share the loop and the heap. */
export function pressureOf({ env, log, config, load, metrics }: CapacityParts): Pressure | undefined {
  if (load === undefined) return undefined;
  const { inflight_max } = config.table('server').current();
  const limits = () => {
    const table = config.table('gateway').current();
    return {
      loopDelayMs: table.pressure_loop_delay_ms,
      queueDelayMs: table.pressure_queue_delay_ms,
      queuedMin: table.pressure_queued_min,
      inflightMax: inflight_max,
      heapShare: table.pressure_heap_percent / 100,
      dwellMs: table.pressure_dwell_ms,
    };
  };
  return createPressure({ env, load, log, metrics, limits });
}
