import { createRamTable, openTable } from '@ron/journal';
import { createMetrics } from '@ron/kernel';
import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import type { Principal, ScopeMethod } from '@ron/proto/contract';
import { openPolicyEngine, type PolicyEngineOptions } from '../engine.ts';
import { type PolicyRow, type PolicyTable, policyRowsMax } from '../rows.ts';
import { signers, startMs } from './signers.ts';

export const ramTable = (): PolicyTable => createRamTable<PolicyRow>({ entriesMax: policyRowsMax });

export const diskTable = (env: SimEnv): Promise<PolicyTable> =>
  openTable<PolicyRow>({ env, folder: 'policy', entriesMax: policyRowsMax });

/** An engine whose wall clock stands still until a test moves it. */
export async function startEngine(options: Partial<PolicyEngineOptions> = {}) {
  const time = { nowMs: startMs };
  const sim = createSimEnv({ seed: 1 });
  const clock = {
    wallMs: () => time.nowMs,
    monotonicMs: () => time.nowMs,
    after: (_delayMs: number, task: () => void) => {
      queueMicrotask(task);
      return { cancel: () => undefined };
    },
  };
  const metrics = createMetrics();
  const engine = await openPolicyEngine({
    env: { clock, work: sim.work },
    table: ramTable(),
    rootSigners: signers.map(({ listed }) => listed),
    rootThreshold: 2,
    metrics,
    ...options,
  });
  return { engine, time, metrics };
}

export function principalOf(subject = 'alice', tenant = ''): Principal {
  return { subject, capabilityId: 'cap-1', tenant, limits: {}, allows: () => true };
}

export function request(method: ScopeMethod, resource: string, tenant = '') {
  return { op: 'gateway.any', method, resource, principal: principalOf('alice', tenant), tenant };
}

/** The `details.reason` of a refusal, or its code when it has none. */
export async function reasonOf(task: () => unknown): Promise<string> {
  try {
    await task();
  } catch (error) {
    const { code, details } = error as { readonly code?: string; readonly details?: { readonly reason?: string } };
    return details?.reason ?? code ?? String(error);
  }
  return 'accepted';
}
