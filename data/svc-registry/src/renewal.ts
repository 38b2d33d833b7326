import type { Clock, Log } from '@ron/kernel';
import { registryLimits, type Snapshot, type SnapshotHead } from '@ron/proto/registry';
import type { AuditEntry, AuditStage } from '@ron/service';
import { applyChanges } from './changes.ts';
import type { NodeSigner } from './node-signer.ts';
import { stale } from './refusal.ts';
import type { Registry } from './registry.ts';

/** Of a snapshot's validity, this part is left when the next one is signed: as certificates are renewed. */
const partLeft = 1 / 3;
/** The wall clock may jump, and the signers may change, while a timer runs. */
const lookMsMax = 3_600_000;
const lookMsMin = 1_000;
/** So long after the expiry the clock is more likely wrong than right, and no later snapshot may be dated before this one. */
const lateMsMax = registryLimits.validityMaxMs;
/** After a failure, of a disk that is full for example. */
const againMs = 60_000;

export interface RenewalOptions {
  readonly registry: Registry;
  readonly nodeSigner: NodeSigner;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the node renews at all; asked each time. */
  readonly enabled: () => boolean;
  /** When a snapshot that is signed now expires. */
  readonly nextExpiry: () => number;
  /** A renewal is written down before it is done, and not done when it cannot be. */
  readonly audit?: Pick<AuditStage, 'record'> | undefined;
  readonly onRenewed: (head: SnapshotHead) => Promise<void>;
}

/**
 * Signs the same content again before it expires, when the node is the only signer: nobody else is there to do it, and
 * nobody's agreement is passed over. With any other signer the gate tells the people that they have to.
 */
export class Renewal implements AsyncDisposable {
  readonly #options: RenewalOptions;
  #timer: Disposable | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** Looks now, and from then on by itself. Never rejects: a node that cannot renew still serves what it has. */
  async start(): Promise<void> {
    if (this.#stopped) return;
    this.#running = this.#look();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    await this.#running;
  }

  async #look(): Promise<void> {
    const { log, clock } = this.#options;
    let waitMs = lookMsMax;
    try {
      await this.#renewIfDue();
      const dueInMs = this.#dueInMs();
      // Still due is only what a person has to do.
      waitMs = dueInMs <= 0 ? lookMsMax : Math.min(Math.max(dueInMs, lookMsMin), lookMsMax);
    } catch (err) {
      log.error({ err }, 'the node could not renew its registry: tried again in a minute');
      waitMs = againMs;
    }
    if (this.#stopped) return;
    const timer = clock.after(waitMs, () => void this.start());
    this.#timer = { [Symbol.dispose]: () => timer.cancel() };
  }

  async #renewIfDue(): Promise<void> {
    const { registry, nodeSigner, clock, log, audit, onRenewed } = this.#options;
    const signer = this.#loneSigner();
    if (signer === undefined || this.#dueInMs() > 0) return;
    const held = registry.held();
    if (clock.wallMs() - held.snapshot.expires_at > lateMsMax) {
      log.error(
        { expires_at: held.snapshot.expires_at },
        'the registry expired long ago: not renewed without a person',
      );
      return;
    }
    const document = applyChanges(held, [], { nowMs: clock.wallMs(), expiresAt: this.#options.nextExpiry() });
    const id = registry.idOf(document);
    await audit?.record(entryOf('intent', id, document));
    const signatures = await nodeSigner.sign(document, new Set([signer]));
    const head = await registry.advance(() => {
      if (registry.head?.id !== held.id) throw stale();
      return { signed: { document, signatures } };
    });
    log.info({ version: head.version, expires_at: head.expires_at }, 'the node renewed its registry');
    await onRenewed(head);
    await audit?.record(entryOf('ok', id, document));
  }

  /** The name of the one signer, when that is this node and it is to renew. */
  #loneSigner(): string | undefined {
    const { registry, nodeSigner, enabled } = this.#options;
    if (registry.head === undefined || !enabled()) return undefined;
    const [signer, ...others] = registry.held().snapshot.signers;
    const isOurs = nodeSigner.signers().some(({ name }) => name === signer?.name);
    return isOurs && others.length === 0 ? signer?.name : undefined;
  }

  #dueInMs(): number {
    const { registry, clock } = this.#options;
    if (registry.head === undefined || this.#loneSigner() === undefined) return lookMsMax;
    const { issued_at, expires_at } = registry.head;
    return Math.ceil(expires_at - (expires_at - issued_at) * partLeft) - clock.wallMs();
  }
}

function entryOf(outcome: 'intent' | 'ok', id: string, { version, expires_at }: Snapshot): AuditEntry {
  return {
    op: 'registry.renew',
    outcome,
    corr_id: '',
    subject: 'node',
    capability_id: '',
    tenant: '',
    resources: ['admin/registry'],
    fields: { version: String(version), id, expires_at: String(expires_at) },
  };
}
