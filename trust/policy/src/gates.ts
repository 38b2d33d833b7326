import type { Gate } from '@ron/service';
import type { PolicyEngine } from './engine.ts';

/** Milliseconds before the expiry from which the gate names it: several signers need days to meet. */
const expiryWarningMs = 7 * 86_400_000;

export function gatesOf(engine: PolicyEngine): readonly Gate[] {
  return [
    { gate: 'policy-current', ...freshness(engine) },
    engine.failed === undefined
      ? { gate: 'policy-writable', ok: true }
      : { gate: 'policy-writable', ok: false, reason: engine.failed },
  ];
}

function freshness(engine: PolicyEngine): { readonly ok: boolean; readonly reason?: string } {
  if (engine.expired) return { ok: false, reason: 'the policy has expired; its limits and rules still hold' };
  const { expiresInMs } = engine;
  const expiresAt = engine.current()?.document.expires_at;
  if (expiresInMs === undefined || expiresAt === undefined || expiresInMs > expiryWarningMs) return { ok: true };
  return { ok: true, reason: `the policy expires at ${new Date(expiresAt).toISOString()}` };
}
