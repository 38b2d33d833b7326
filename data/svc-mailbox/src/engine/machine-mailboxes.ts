import type { Content } from '../state/body.ts';
import type { Box } from '../state/box.ts';
import type { Message } from '../state/message.ts';
import type { Core } from './core.ts';
import type {
  BoxCounts,
  BoxKey,
  DeadLetter,
  HeldAddress,
  MailboxEngine,
  Page,
  PeekedMessage,
  Position,
  Totals,
} from './engine.ts';
import { deadAfter, deadLetterOf, pageOf, peekedOf, sentAfter } from './listing.ts';

type Lists = Pick<MailboxEngine, 'deadLetters' | 'peek' | 'stats' | 'boxes' | 'roots' | 'totals' | 'watch'>;

/** What an engine can tell that has the machine in this process, wherever the contents of its messages are. */
export abstract class MachineMailboxes implements Lists {
  protected readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  /** Undefined: it cannot be shown, or is gone by now. Never rejects: one message must not hide the others of a list. */
  protected abstract shown(message: Message): Promise<Content | undefined>;

  async deadLetters(
    key: BoxKey,
    after: Position | undefined,
    limit: number,
    bytesMax = Number.POSITIVE_INFINITY,
  ): Promise<Page<DeadLetter> | undefined> {
    const box = this.#boxNow(key);
    if (box === undefined) return undefined;
    const messages = deadAfter(box, this.core.machine.life.messages, after, limit, bytesMax);
    const { next } = pageOf(messages);
    const items: DeadLetter[] = [];
    for (const message of messages) {
      const content = await this.shown(message);
      // It may have been removed while others were read.
      if (message.state === 'dead') items.push(deadLetterOf(message, content));
    }
    return { items, next };
  }

  async peek(
    key: BoxKey,
    after: Position | undefined,
    limit: number,
    bytesMax = Number.POSITIVE_INFINITY,
  ): Promise<Page<PeekedMessage>> {
    const box = this.#boxNow(key);
    if (after === undefined) return { items: [], next: { order: this.core.machine.nextOrder - 1, id: '' } };
    const messages = box === undefined ? [] : sentAfter(box, this.core.machine.life.messages, after, limit, bytesMax);
    const last = messages.at(-1);
    const next = last === undefined ? after : { order: last.order, id: last.id };
    const items: PeekedMessage[] = [];
    for (const message of messages) {
      const content = await this.shown(message);
      if (content !== undefined) items.push(peekedOf(message, content));
    }
    return { items, next };
  }

  stats(key: BoxKey): BoxCounts | undefined {
    return this.core.stats(key);
  }

  boxes(tenant: string, after: string | undefined, limit: number): readonly BoxCounts[] {
    return this.core.boxes(tenant, after, limit);
  }

  roots(after: Position | undefined, limit: number): Page<HeldAddress> {
    return this.core.roots(after, limit);
  }

  totals(): Totals {
    return this.core.totals();
  }

  watch(key: BoxKey, wake: () => void, options?: { readonly peek?: boolean }): Disposable {
    return this.core.watch(key, wake, options);
  }

  #boxNow(key: BoxKey): Box | undefined {
    this.core.advance();
    this.core.settle();
    return this.core.box(key);
  }
}
