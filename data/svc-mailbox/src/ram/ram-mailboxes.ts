import type { Env } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { MailboxConfig } from '../config.ts';
import { Core } from '../engine/core.ts';
import type {
  BoxCounts,
  BoxKey,
  DeadLetter,
  EngineCounters,
  HeldAddress,
  LeasedMessage,
  MailboxEngine,
  Page,
  PeekedMessage,
  PlainCommand,
  Position,
  Totals,
} from '../engine/engine.ts';
import { deadAfter, deadLetterOf, leasedOf, pageOf, peekedOf, sentAfter } from '../engine/listing.ts';
import { limitsOf } from '../limits.ts';
import type { Outcomes, Receive } from '../state/command.ts';
import { noFacts } from '../state/facts.ts';
import { ordersPerMs } from '../state/restore.ts';

export interface RamMailboxesOptions {
  readonly env: Pick<Env, 'clock' | 'random'>;
  /** Read at each use. */
  readonly config: () => Readonly<MailboxConfig>;
  /** Bytes of all bodies and headers. */
  readonly bytesMax: number;
}

/** Mailboxes that live as long as the process: the machine and nothing else. */
export function createRamMailboxes(options: RamMailboxesOptions): MailboxEngine {
  return new RamMailboxes(options);
}

class RamMailboxes implements MailboxEngine {
  readonly durability = 'memory';
  readonly #core: Core;
  #closed = false;

  constructor({ env, config, bytesMax }: RamMailboxesOptions) {
    const limits = limitsOf(config, bytesMax);
    this.#core = new Core({ clock: env.clock, random: env.random, limits, facts: noFacts });
    // Past what an earlier process gave out: a view that resumes here sees what is new.
    this.#core.machine.nextOrder = Math.max(1, Math.floor(env.clock.wallMs())) * ordersPerMs;
  }

  get failure(): string | undefined {
    return this.#closed ? 'closed' : undefined;
  }

  get counters(): EngineCounters {
    return this.#core.machine.life.counters;
  }

  async execute<C extends PlainCommand>(command: C): Promise<Outcomes[C['op']]> {
    this.#check();
    this.#core.advance();
    const outcome = this.#core.machine.apply(command);
    this.#core.settle();
    return outcome;
  }

  async receive(command: Receive): Promise<readonly LeasedMessage[]> {
    this.#check();
    this.#core.advance();
    const delivered = this.#core.machine.apply(command);
    this.#core.settle();
    return delivered.map((one) => leasedOf(one, one.message.content!));
  }

  async deadLetters(
    key: BoxKey,
    after: Position | undefined,
    limit: number,
    bytesMax = Number.POSITIVE_INFINITY,
  ): Promise<Page<DeadLetter> | undefined> {
    const box = this.#boxNow(key);
    if (box === undefined) return undefined;
    const messages = deadAfter(box, this.#core.machine.life.messages, after, limit, bytesMax);
    return {
      items: messages.map((message) => deadLetterOf(message, message.content)),
      next: pageOf(messages).next,
    };
  }

  async peek(
    key: BoxKey,
    after: Position | undefined,
    limit: number,
    bytesMax = Number.POSITIVE_INFINITY,
  ): Promise<Page<PeekedMessage>> {
    const box = this.#boxNow(key);
    if (after === undefined) return { items: [], next: { order: this.#core.machine.nextOrder - 1, id: '' } };
    const messages = box === undefined ? [] : sentAfter(box, this.#core.machine.life.messages, after, limit, bytesMax);
    const last = messages.at(-1);
    return {
      items: messages.map((message) => peekedOf(message, message.content!)),
      next: last === undefined ? after : { order: last.order, id: last.id },
    };
  }

  stats(key: BoxKey): BoxCounts | undefined {
    return this.#core.stats(key);
  }

  boxes(tenant: string, after: string | undefined, limit: number): readonly BoxCounts[] {
    return this.#core.boxes(tenant, after, limit);
  }

  /** A crash leaves nothing that could come back. */
  async recordTime(): Promise<void> {
    this.#core.advance();
    this.#core.settle();
  }

  roots(after: Position | undefined, limit: number): Page<HeldAddress> {
    return this.#core.roots(after, limit);
  }

  totals(): Totals {
    return this.#core.totals();
  }

  watch(key: BoxKey, wake: () => void, options?: { readonly peek?: boolean }): Disposable {
    return this.#core.watch(key, wake, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#core.close();
  }

  #check(): void {
    if (this.#closed) throw new RonError('unavailable', 'the mailboxes are closed', { retryAfterMs: 1_000 });
  }

  #boxNow(key: BoxKey) {
    this.#core.advance();
    this.#core.settle();
    return this.#core.box(key);
  }
}
