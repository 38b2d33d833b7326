import { type Env, type HealthState, sleep } from '@ron/kernel';
import type { HostedService, Pressure } from '@ron/service';

interface Stopping {
  readonly env: Env;
  readonly health: HealthState;
  readonly pressure: Pressure | undefined;
  readonly gateway: HostedService | undefined;
  readonly server: { readonly drain_notice_ms: number; readonly drain_ms: number };
}

/**
 * Red first, then refusing on listeners that still answer, until what runs in the gateway has ended; they close after it.
 * Resolves with the milliseconds that are left of `drain_ms` for what else runs.
 */
export async function stopServing({ env, health, pressure, gateway, server }: Stopping): Promise<number> {
  health.set('node', false, 'the node is stopping');
  health.set('draining', false, 'no more calls are taken');
  if (server.drain_notice_ms > 0) await sleep(env.clock, server.drain_notice_ms);
  pressure?.drain();
  const endMs = env.clock.monotonicMs() + server.drain_ms;
  if (gateway === undefined) return server.drain_ms;
  const late = Promise.withResolvers<void>();
  const timer = env.clock.after(server.drain_ms, late.resolve);
  try {
    await Promise.race([gateway.dispatcher.drain(), late.promise]);
  } finally {
    timer.cancel();
  }
  return Math.max(0, endMs - env.clock.monotonicMs());
}
