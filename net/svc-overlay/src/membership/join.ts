import type { Log, Timer } from '@ron/kernel';
import type { Contact, NodeId } from '@ron/proto/network';
import type { OverlayPorts } from '../ports.ts';

/** Nodes that are tried at once. */
const triesMax = 3;

export interface JoinParts {
  readonly ports: Pick<OverlayPorts, 'clock' | 'random' | 'config'> & { readonly log: Log };
  readonly selfId: NodeId;
  /** Where to begin, the operator’s and what was stored; asked each time. */
  readonly contacts: () => readonly Contact[];
  /** Alive or suspect members other than this one. */
  readonly present: () => number;
  readonly isPresent: (id: NodeId) => boolean;
  /** Says hello and compares everything. Rejects when it is not reached. */
  readonly meet: (contact: Contact) => Promise<void>;
}

/**
 * Finds the others, at start and whenever there is none, and asks a seed that is not a member now and then: two halves that forgot
 * each other meet again there.
 */
export class Join {
  readonly #parts: JoinParts;
  #timer: Timer | undefined;
  #isMeeting = false;

  constructor(parts: JoinParts) {
    this.#parts = parts;
  }

  start(): void {
    void this.#round();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isMeeting = true;
  }

  async #round(): Promise<void> {
    const { ports } = this.#parts;
    const { seed_period_ms: periodMs } = ports.config();
    this.#timer = ports.clock.after(periodMs * (0.75 + ports.random.unit() / 2), () => void this.#round());
    if (this.#isMeeting) return;
    this.#isMeeting = true;
    try {
      await this.#meetSome();
    } finally {
      if (this.#timer !== undefined) this.#isMeeting = false;
    }
  }

  async #meetSome(): Promise<void> {
    const { ports, present, meet } = this.#parts;
    const strangers = this.#strangers();
    if (strangers.length === 0) return;
    const count = present() === 0 ? triesMax : 1;
    const outcomes = await Promise.allSettled(pick(strangers, count, ports.random.unit()).map(meet));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined && present() === 0) ports.log.warn({ error: failed.reason }, 'no seed is reached');
  }

  #strangers(): Contact[] {
    const { selfId, contacts, isPresent } = this.#parts;
    return contacts().filter(({ id }) => id !== selfId && !isPresent(id));
  }
}

/** `count` neighbours in the list from a place by chance. */
function pick<T>(items: readonly T[], count: number, unit: number): T[] {
  const start = Math.floor(unit * items.length);
  return Array.from({ length: Math.min(count, items.length) }, (_, step) => items[(start + step) % items.length]!);
}
