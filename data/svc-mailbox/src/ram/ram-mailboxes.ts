import type { Env } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { MailboxConfig } from '../config.ts';
import { Core } from '../engine/core.ts';
import type { EngineCounters, LeasedMessage, MailboxEngine, PlainCommand } from '../engine/engine.ts';
import { leasedOf } from '../engine/listing.ts';
import { MachineMailboxes } from '../engine/machine-mailboxes.ts';
import { limitsOf } from '../limits.ts';
import type { Content } from '../state/body.ts';
import type { Outcomes, Receive } from '../state/command.ts';
import { noFacts } from '../state/facts.ts';
import type { Message } from '../state/message.ts';
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

class RamMailboxes extends MachineMailboxes implements MailboxEngine {
  readonly durability = 'memory';
  #closed = false;

  constructor({ env, config, bytesMax }: RamMailboxesOptions) {
    const { clock, random } = env;
    super(new Core({ clock, random, limits: limitsOf(config, bytesMax), facts: noFacts }));
    // Past what an earlier process gave out: a view that resumes here sees what is new.
    this.core.machine.nextOrder = Math.max(1, Math.floor(env.clock.wallMs())) * ordersPerMs;
  }

  get failure(): string | undefined {
    return this.#closed ? 'closed' : undefined;
  }

  get counters(): EngineCounters {
    return this.core.machine.life.counters;
  }

  async execute<C extends PlainCommand>(command: C): Promise<Outcomes[C['op']]> {
    this.#check();
    this.core.advance();
    const outcome = this.core.machine.apply(command);
    this.core.settle();
    return outcome;
  }

  async receive(command: Receive): Promise<readonly LeasedMessage[]> {
    this.#check();
    this.core.advance();
    const delivered = this.core.machine.apply(command);
    this.core.settle();
    return delivered.map((one) => leasedOf(one, one.message.content!));
  }

  /** A crash leaves nothing that could come back. */
  async recordTime(): Promise<void> {
    this.core.advance();
    this.core.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.core.close();
  }

  #check(): void {
    if (this.#closed) throw new RonError('unavailable', 'the mailboxes are closed', { retryAfterMs: 1_000 });
  }

  protected async shown({ content }: Message): Promise<Content | undefined> {
    return content;
  }
}
