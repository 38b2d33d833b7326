import type { BoxKey } from './command.ts';
import { diedMs } from './dead-list.ts';
import type { KeptKey, Standing } from './facts.ts';
import type { Machine } from './machine.ts';
import { type Failure, failuresMax, Message, type Origin } from './message.ts';

interface Restored {
  readonly key: BoxKey;
  readonly origin: Origin;
  standing: Standing;
  place: MessagePlace;
}

/** Where the log has a message. */
export interface MessagePlace {
  readonly segment: number;
  readonly offsetBytes: number;
  readonly payloadBytes: number;
}

/** More messages than this are never sent in one millisecond. */
export const ordersPerMs = 1_024;

/**
 * Brings a machine to the state that facts tell of, read in the order in which they were written. Facts about messages
 * that are not known are passed over: the message is gone, its own record comes later, or it was damaged.
 */
export class Restorer {
  readonly #machine: Machine;
  readonly #messages = new Map<string, Restored>();
  #lastMs: number;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#lastMs = machine.life.nowMs;
    // What was promised is kept, whatever the limit has become.
    machine.keys.entriesMax = Number.MAX_SAFE_INTEGER;
  }

  /** The latest moment that was told of. */
  get lastMs(): number {
    return this.#lastMs;
  }

  at(nowMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, nowMs);
  }

  /** A message that is known already takes on this standing, and this place. */
  message(key: BoxKey, origin: Origin, standing: Standing, keptKey: KeptKey | undefined, place: MessagePlace): void {
    const known = this.#messages.get(origin.id);
    if (known === undefined) this.#messages.set(origin.id, { key, origin, standing, place });
    else Object.assign(known, { standing, place });
    if (keptKey !== undefined) this.key(keptKey, origin.id);
  }

  changed(id: string, standing: Standing, failure: Failure | undefined): void {
    const known = this.#messages.get(id);
    if (known === undefined) return;
    const { failures } = known.standing;
    const isKnown = failure === undefined || isSame(failure, failures.at(-1));
    known.standing = { ...standing, failures: isKnown ? failures : [...failures.slice(1 - failuresMax), failure] };
  }

  gone(id: string): void {
    this.#messages.delete(id);
  }

  /** Of two messages that had the same key one after the other, the later one has it, in whatever order they are told. */
  key({ hash, digest, untilMs }: KeptKey, id: string): void {
    const known = this.#machine.keys.find(hash, 0);
    if (known !== undefined && known.untilMs > untilMs) return;
    this.#machine.keys.remember(hash, { digest, id, untilMs }, this.#lastMs);
  }

  /** Puts every message where it belongs. Call `advance` of the machine next. */
  finish(): void {
    const all = [...this.#messages.values()];
    const dead = all.filter(({ standing }) => standing.state === 'dead');
    const alive = all.filter(({ standing }) => standing.state !== 'dead');
    dead.sort((a, b) => deathMs(a) - deathMs(b));
    alive.sort((a, b) => a.standing.order - b.standing.order);
    for (const message of alive) this.#link(message);
    for (const message of dead) this.#link(message);
    this.#messages.clear();
    // Past all that were ever given out, also to messages that are gone: a view resumes after one of them.
    this.#machine.nextOrder = Math.max(this.#machine.nextOrder, (this.#lastMs + 1) * ordersPerMs);
  }

  /** Only now has the box a message: one that is empty is forgotten when there are many. */
  #link({ key, origin, standing, place }: Restored): void {
    const { life } = this.#machine;
    const box = life.ledger.open(key, this.#lastMs);
    const message = new Message(origin, box, undefined, standing.order, standing.expiresMs);
    life.link(Object.assign(message, standing, place));
    this.#machine.nextOrder = Math.max(this.#machine.nextOrder, standing.order + 1);
  }
}

function deathMs({ standing: { dueMs }, origin }: Restored): number {
  return diedMs({ dueMs, origin });
}

function isSame(one: Failure, other: Failure | undefined): boolean {
  return other !== undefined && one.attempt === other.attempt && one.wallMs === other.wallMs;
}
