import type { Clock, Metrics, Timer } from '@ron/kernel';
import type { Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type trustContract, trustLimits } from '@ron/proto/trust';
import type { AuditEntry, AuditReceipt, AuditStage } from '@ron/service';
import { entryTo } from '../entry.ts';

export interface RemoteAuditOptions {
  readonly peer: Pick<Peer<typeof trustContract>, 'record' | 'prove' | 'offer'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Why the log takes nothing at the moment, as far as is known here. */
  readonly failure: () => string | undefined;
}

/** Offered entries that wait for the log. */
export const offeredMax = 4_096;
const flushEveryMs = 50;
const retryMs = 500;
/** What another try may not meet. */
const passing: ReadonlySet<string> = new Set(['unavailable', 'deadline_exceeded', 'request_timeout']);

/** The audit log of a node in a process that does not hold it. What must be written down first waits for the log's word. */
export class RemoteAudit implements AuditStage, AsyncDisposable {
  readonly #options: RemoteAuditOptions;
  readonly #droppedTotal: { inc(count?: number): void };
  readonly #offered: AuditEntry[] = [];
  #dropped = 0;
  #timer: Timer | undefined;
  #flushing: Promise<void> | undefined;
  #closed = false;

  constructor(options: RemoteAuditOptions) {
    this.#options = options;
    this.#droppedTotal = options.metrics
      .counter('audit_dropped_total', 'offered entries that found the queue full, or that the log refused')
      .labels();
  }

  ready(): void {
    const failure = this.#options.failure();
    if (failure === undefined) return;
    throw new RonError('unavailable', 'the audit log cannot be written', {
      retryAfterMs: 1_000,
      details: { gate: 'audit' },
      cause: new Error(failure),
    });
  }

  async record(entry: AuditEntry): Promise<AuditReceipt> {
    const { peer } = this.#options;
    const { index } = await peer.record({ entry: entryTo(entry) });
    return { index, proof: async () => (await peer.prove({ index })).proof };
  }

  offer(entry: AuditEntry): void {
    if (this.#offered.length >= offeredMax) {
      this.#drop(1);
      return;
    }
    this.#offered.push(entry);
    this.#arm(flushEveryMs);
  }

  /** Sends what is left, once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#flushing;
    await this.#flush();
  }

  #arm(ms: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = this.#options.clock.after(ms, () => {
      this.#flushing = this.#flush().finally(() => {
        this.#timer = undefined;
        if (this.#offered.length > 0) this.#arm(retryMs);
      });
    });
  }

  async #flush(): Promise<void> {
    this.#noteDropped();
    while (this.#offered.length > 0) {
      const entries = this.#offered.slice(0, trustLimits.entriesMax);
      try {
        await this.#options.peer.offer({ entries: entries.map(entryTo) });
      } catch (error) {
        if (!(error instanceof RonError)) throw error;
        // They stay for the next time; the queue has a bound.
        if (passing.has(error.code)) return;
        // The log will not take these at any time: those behind them must not wait for it.
        this.#drop(entries.length);
      }
      this.#offered.splice(0, entries.length);
    }
  }

  #drop(count: number): void {
    this.#dropped += count;
    this.#droppedTotal.inc(count);
  }

  #noteDropped(): void {
    if (this.#dropped === 0) return;
    const node = { corr_id: '', subject: 'node', capability_id: '', tenant: 'node', resources: ['admin/audit'] };
    const fields = { count: `${this.#dropped}` };
    this.#dropped = 0;
    this.#offered.push({ ...node, op: 'audit.dropped', outcome: 'ok', fields });
  }
}
