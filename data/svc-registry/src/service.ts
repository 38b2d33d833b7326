import type { Table } from '@ron/journal';
import { addressFromHash } from '@ron/naming';
import { verifyWithNode } from '@ron/policy';
import { registryContract } from '@ron/proto/registry';
import { type AuditStage, defineService, type Ports } from '@ron/service';
import type { ThresholdRule } from '@ron/signed';
import { RegistryConfig } from './config.ts';
import { Divergence } from './divergence.ts';
import { createApprove } from './handlers/approve.ts';
import { createCommit } from './handlers/commit.ts';
import { createHead } from './handlers/head.ts';
import { createObserve } from './handlers/observe.ts';
import { createProposalDocument } from './handlers/proposal-document.ts';
import { createProposals } from './handlers/proposals.ts';
import { createPropose } from './handlers/propose.ts';
import { createPublish } from './handlers/publish.ts';
import { createSnapshot } from './handlers/snapshot.ts';
import { createStream } from './handlers/stream.ts';
import { createMeters, gatesOf, measure } from './meters.ts';
import type { NodeSigner } from './node-signer.ts';
import { Proposals } from './proposals.ts';
import { Registry } from './registry.ts';
import { Renewal } from './renewal.ts';
import type { RegistryRow } from './rows.ts';

export { RegistryConfig } from './config.ts';
export {
  addKeys,
  createGenesis,
  createNodeSigner,
  type Genesis,
  type GenesisOptions,
  type NodeSigner,
  type SigningKms,
} from './node-signer.ts';
export { type RegistryRow, registryTableLimits } from './rows.ts';

/** Chosen by the profile. The table belongs to the service from then on: it is closed when the service stops. */
export interface RegistryEngines {
  /** `openTable<RegistryRow>` or `createRamTable<RegistryRow>` of @ron/journal with `registryTableLimits`. */
  readonly table: Table<RegistryRow>;
  /** Who must have signed the first snapshot; not asked once there is one. */
  readonly roots: ThresholdRule;
  /** The first snapshot, encoded and signed; asked for while the table has none. Without it the registry waits, not ready. */
  readonly genesis?: () => Promise<string>;
  /** Signs on `approve {as_node}`, and what is about to expire while it is the only signer. */
  readonly nodeSigner?: NodeSigner;
  /** Where renewals are written down: nobody asks for them, so the pipeline does not. */
  readonly audit?: Pick<AuditStage, 'record'>;
}

type RegistryPorts = Ports<RegistryConfig, Record<never, never>, RegistryEngines>;

/** Signed descriptors of nodes, services and regions: contract in @ron/proto/registry, configuration table `registry`. */
export const registry = defineService({
  contract: registryContract,
  config: RegistryConfig,
  uses: {},
  async start({ config, engines, env, bus, log, metrics }: RegistryPorts) {
    const { table, roots, genesis, nodeSigner, audit } = engines;
    const { clock } = env;
    const parts = {
      table,
      clock,
      verify: verifyWithNode,
      blake3: (bytes: Uint8Array) => addressFromHash(env.work.blake3(bytes)),
      snapshotsMax: () => config.current().history_snapshots_max,
    };
    const chain = await Registry.open(parts, { roots, genesis });
    const proposals = new Proposals(chain);
    const meters = createMeters(metrics);
    const divergence = new Divergence(chain, { log, bus, count: meters.diverged });
    const measuring = measure(metrics, chain, divergence);
    // After a clock that was set back, what comes is still issued no earlier than what is there.
    const nextExpiry = () =>
      Math.max(clock.wallMs(), chain.head?.issued_at ?? 0) + config.current().validity_default_ms;
    const enabled = () => config.current().renew_alone;
    const onRenewed = () => divergence.review();
    const renewal =
      nodeSigner && new Renewal({ registry: chain, nodeSigner, clock, log, enabled, nextExpiry, audit, onRenewed });
    await renewal?.start();
    return {
      handlers: {
        propose: createPropose(proposals, nextExpiry, meters),
        proposals: createProposals(proposals),
        proposal_document: createProposalDocument(proposals),
        approve: createApprove({ registry: chain, proposals, nodeSigner, meters }),
        commit: createCommit(proposals, divergence, meters),
        publish: createPublish(chain, divergence, meters),
        head: createHead(chain),
        snapshot: createSnapshot(chain),
        stream: createStream(chain, clock),
        observe: createObserve(chain, divergence, meters),
      },
      gates: () => gatesOf({ registry: chain, divergence, clock, warningMs: () => config.current().expiry_warning_ms }),
      async [Symbol.asyncDispose]() {
        measuring[Symbol.dispose]();
        await renewal?.[Symbol.asyncDispose]();
        await table[Symbol.asyncDispose]();
      },
    };
  },
});
