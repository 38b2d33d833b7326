import type { Table } from '@ron/journal';
import { auditContract } from '@ron/proto/audit';
import { defineService, type Ports } from '@ron/service';
import { AuditConfig } from './config.ts';
import { createAddCosignatures } from './handlers/add-cosignatures.ts';
import { createCheckpoint } from './handlers/checkpoint.ts';
import { createConsistency } from './handlers/consistency.ts';
import { createCosign } from './handlers/cosign.ts';
import { createExport } from './handlers/export.ts';
import { createInclusion } from './handlers/inclusion.ts';
import { createKey } from './handlers/key.ts';
import { createTail } from './handlers/tail.ts';
import { createTile } from './handlers/tile.ts';
import type { AuditLog } from './log.ts';
import { observeLog } from './log-metrics.ts';
import { type CosignedRecord, Witness } from './witness.ts';

export { AuditConfig } from './config.ts';
export type { CosignedRecord } from './witness.ts';

/**
 * Chosen by the profile, and closed by it: the log is also the audit stage of every other service's pipeline, and
 * outlives them.
 */
export interface AuditEngines {
  readonly log: AuditLog;
  /** At least one entry for each log that this node is a witness of, and one more. */
  readonly cosigned: Table<CosignedRecord>;
}

type AuditPorts = Ports<AuditConfig, Record<never, never>, AuditEngines>;

export const audit = defineService({
  contract: auditContract,
  config: AuditConfig,
  uses: {},
  async start({ config, engines, env, metrics }: AuditPorts) {
    const { log, cosigned } = engines;
    const { signer } = log;
    const configured = () => config.current().witnessed_keys;
    const witness = new Witness({ signer, cosigned, clock: env.clock, configured });
    const observing = observeLog(log, metrics);
    return {
      handlers: {
        checkpoint: createCheckpoint(log, cosigned),
        key: createKey(signer),
        tile: createTile(log),
        export: createExport(log),
        inclusion: createInclusion(log),
        consistency: createConsistency(log),
        tail: createTail(log),
        cosign: createCosign(witness),
        add_cosignatures: createAddCosignatures(log, cosigned),
      },
      gates: () => [
        log.failure === undefined ? { gate: 'audit', ok: true } : { gate: 'audit', ok: false, reason: log.failure },
      ],
      [Symbol.asyncDispose]: async () => observing[Symbol.dispose](),
    };
  },
});
