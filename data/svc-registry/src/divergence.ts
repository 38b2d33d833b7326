import type { KernelBus, Log } from '@ron/kernel';
import { registryLimits, type SnapshotHead } from '@ron/proto/registry';
import { refusal } from './refusal.ts';
import type { Registry } from './registry.ts';
import { type ClaimRow, claimKey, claimPrefix } from './rows.ts';

export interface Claim extends ClaimRow {
  readonly previous?: string;
}

export type Verdict = 'same' | 'behind' | 'ahead' | 'unknown' | 'diverged';

/** Where an alarm goes. */
export interface AlarmPorts {
  readonly log: Log;
  readonly bus: KernelBus;
  readonly count: () => void;
}

/**
 * Compares the heads that other nodes report with our chain. An alarm stands, over a restart too, until the node that
 * raised it reports a head that fits.
 */
export class Divergence {
  readonly #registry: Registry;
  readonly #ports: AlarmPorts;
  /** The last claim of each node; bounded by `observedNodesMax`. Oldest first. */
  readonly #claims = new Map<string, Claim>();
  readonly #diverged = new Set<string>();

  constructor(registry: Registry, ports: AlarmPorts) {
    this.#registry = registry;
    this.#ports = ports;
    for (const [key, claim] of registry.parts.table.entries(claimPrefix)) {
      const node = key.slice(claimPrefix.length);
      this.#claims.set(node, claim as ClaimRow);
      this.#diverged.add(node);
    }
  }

  /** Nodes that contradict us now. */
  get nodes(): readonly string[] {
    return [...this.#diverged];
  }

  async observe(node: string, claim: Claim, head: SnapshotHead): Promise<Verdict> {
    if (!this.#claims.has(node)) this.#makeRoom();
    this.#claims.delete(node);
    this.#claims.set(node, claim);
    return this.#judge(node, claim, head);
  }

  /** After a new head: what was ahead of us may contradict it now. */
  async review(): Promise<void> {
    const { head } = this.#registry;
    if (head === undefined) return;
    for (const [node, claim] of [...this.#claims]) await this.#judge(node, claim, head);
  }

  async #judge(node: string, claim: Claim, head: SnapshotHead): Promise<Verdict> {
    const verdict = this.#verdictOn(claim, head);
    const stood = this.#diverged.has(node);
    if (verdict === 'diverged' && !stood) {
      this.#diverged.add(node);
      this.#raise(node, claim, head);
      await this.#remember(node, { version: claim.version, id: claim.id });
    } else if (stood && (verdict === 'same' || verdict === 'behind')) {
      // A fork that runs ahead, or far behind, proves nothing.
      this.#diverged.delete(node);
      this.#ports.log.info({ node, version: claim.version }, 'the node has the registry that we have again');
      if (this.#diverged.size === 0) this.#ports.bus.publish({ type: 'Health', service: 'registry', ok: true });
      await this.#remember(node, undefined);
    }
    return verdict;
  }

  #verdictOn({ version, id, previous }: Claim, head: SnapshotHead): Verdict {
    if (version > head.version) {
      const extendsUs = version > head.version + 1 || previous === undefined || previous === head.id;
      return extendsUs ? 'ahead' : 'diverged';
    }
    const ours = this.#registry.idOfVersion(version);
    if (ours === undefined) return 'unknown';
    if (ours !== id) return 'diverged';
    return version === head.version ? 'same' : 'behind';
  }

  #raise(node: string, claim: Claim, head: SnapshotHead): void {
    this.#ports.count();
    this.#ports.log.error(
      { node, version: claim.version, id: claim.id, our_version: head.version, our_id: head.id },
      'the registry of another node contradicts ours: one of the two was forked',
    );
    this.#ports.bus.publish({ type: 'Health', service: 'registry', ok: false });
  }

  /** Never fails: a commit that is done must not be answered as if it were not, for an alarm that could not be stored. */
  async #remember(node: string, claim: ClaimRow | undefined): Promise<void> {
    try {
      await this.#registry.parts.table.transact(() => ({ changes: [[claimKey(node), claim]], result: undefined }));
    } catch (err) {
      this.#ports.log.error({ node, err }, 'what is known of a contradiction could not be stored');
    }
  }

  /** The quietest node goes; one whose alarm stands stays. */
  #makeRoom(): void {
    if (this.#claims.size < registryLimits.observedNodesMax) return;
    const quietest = this.#claims.keys().find((node) => !this.#diverged.has(node));
    if (quietest === undefined) throw refusal('insufficient_storage', 'too_many', 'too many nodes contradict us');
    this.#claims.delete(quietest);
  }
}
