import type { NodeRecord } from '@ron/proto/overlay';
import type { OverlayPorts } from '../ports.ts';
import { type SelfDescription, signRecord } from '../records.ts';

/** Milliseconds between two refutations: who is accused without end does not sign without end. */
const refuteGapMs = 1_000;

/** What this node says about itself. */
export class Self {
  readonly #ports: Pick<OverlayPorts, 'signer' | 'clock'>;
  readonly #onRecord: (record: NodeRecord) => void;
  #about: SelfDescription;
  #record: NodeRecord | undefined;
  #signing: Promise<NodeRecord> | undefined;
  #refutedMs = Number.NEGATIVE_INFINITY;

  constructor(
    ports: Pick<OverlayPorts, 'signer' | 'clock'>,
    about: SelfDescription,
    onRecord: (record: NodeRecord) => void,
  ) {
    this.#ports = ports;
    this.#about = about;
    this.#onRecord = onRecord;
  }

  get id(): string {
    return this.#ports.signer.id;
  }

  /** Throws before the first `renew`. */
  get record(): NodeRecord {
    if (this.#record === undefined) throw new Error('the overlay has not been started');
    return this.#record;
  }

  /** Resolves, also after a failure, when nothing is being signed. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#signing]);
  }

  /** Signs a newer record. `above`: an incarnation that it has to exceed. */
  renew(change: Partial<SelfDescription> = {}, above = 0, left = false): Promise<NodeRecord> {
    this.#about = { ...this.#about, ...change };
    const after = this.#signing ?? Promise.resolve();
    const signing: Promise<NodeRecord> = after
      .then(async () => {
        const incarnation = Math.max(this.#ports.clock.wallMs(), (this.#record?.incarnation ?? 0) + 1, above + 1);
        this.#record = await signRecord(this.#ports, this.#about, incarnation, left);
        this.#onRecord(this.#record);
        return this.#record;
      })
      .finally(() => {
        if (this.#signing === signing) this.#signing = undefined;
      });
    this.#signing = signing;
    return signing;
  }

  /**
   * Answers a claim that this incarnation does not answer: a newer record, or what is being signed. Undefined while the
   * last refutation is younger than a second, or after the node left.
   */
  refute(incarnation: number): Promise<NodeRecord> | undefined {
    const { record } = this;
    if (incarnation !== record.incarnation || record.left === true) return undefined;
    if (this.#signing !== undefined) return this.#signing;
    const nowMs = this.#ports.clock.monotonicMs();
    if (nowMs - this.#refutedMs < refuteGapMs) return undefined;
    this.#refutedMs = nowMs;
    return this.renew();
  }
}
