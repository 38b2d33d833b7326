import type { MailboxConfig } from './config.ts';
import type { MachineLimits } from './state/machine.ts';

/** The budgets of a machine as the configuration says them, made anew only after a reload. */
export function limitsOf(config: () => Readonly<MailboxConfig>, bytesMax: number): () => MachineLimits {
  let of: Readonly<MailboxConfig> | undefined;
  let limits: MachineLimits | undefined;
  return () => {
    const current = config();
    if (limits !== undefined && current === of) return limits;
    of = current;
    limits = {
      attemptsMax: current.attempts_max,
      retentionMs: current.retention_ms,
      deadRetentionMs: current.dead_retention_ms,
      keyWindowMs: current.idempotency_window_ms,
      keysMax: current.idempotency_keys_max,
      tenantMessagesMax: current.tenant_messages_max,
      tenantBytesMax: current.tenant_bytes_max,
      tenantBoxesMax: current.tenant_boxes_max,
      messagesMax: current.messages_max,
      bytesMax,
      boxesMax: current.boxes_max,
    };
    return limits;
  };
}
