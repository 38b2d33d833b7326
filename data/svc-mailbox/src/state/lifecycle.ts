import { AddressedMessages } from './addressed.ts';
import { backoffMs } from './backoff.ts';
import type { Box } from './box.ts';
import { Ledger, type LedgerLimits } from './ledger.ts';
import { type DeathCause, type Failure, failuresMax, type Message } from './message.ts';
import { TimerWheel } from './timer-wheel.ts';

/** Since the machine was made. */
export interface MachineCounters {
  sent: number;
  duplicates: number;
  delivered: number;
  redelivered: number;
  acked: number;
  nacked: number;
  expired: number;
  deleted: number;
  staleLeases: number;
  readonly dead: Record<DeathCause, number>;
}

/** Messages whose time comes in one call: about 2 ms of work, however many there are. */
export const dueAtOnce = 2_048;

/** Memory for the reasons that receivers give, of all messages. Past it, histories go on without them. */
export const reasonBytesMax = 128 * 1_048_576;

function reasonBytesOf(failures: readonly Failure[]): number {
  let bytes = 0;
  for (const { reason } of failures) if (reason !== undefined) bytes += 2 * reason.length;
  return bytes;
}

export interface LifecyclePorts {
  readonly limits: () => LedgerLimits;
  /** A message of the box can be leased that could not be before. */
  readonly onOffered: (box: Box) => void;
}

/**
 * The states of messages and the steps between them, those included that time alone takes. Whoever calls has made sure
 * that the step is allowed.
 *
 *   ready ⇄ leased → gone      delayed → ready      any → dead → gone or ready again
 */
export class Lifecycle {
  readonly ledger: Ledger;
  readonly messages = new Map<string, Message>();
  /** Messages whose body is an object of its own. */
  readonly addressed = new AddressedMessages();
  readonly counters: MachineCounters = {
    sent: 0,
    duplicates: 0,
    delivered: 0,
    redelivered: 0,
    acked: 0,
    nacked: 0,
    expired: 0,
    deleted: 0,
    staleLeases: 0,
    dead: { attempts: 0, expired: 0, damaged: 0 },
  };
  readonly #wheel: TimerWheel<Message>;
  readonly #onOffered: (box: Box) => void;
  #nowMs = 0;
  #reasonBytes = 0;
  /** Wall time minus mailbox time, for what people are shown. */
  #wallOffsetMs = 0;

  constructor({ limits, onOffered }: LifecyclePorts) {
    this.ledger = new Ledger(limits);
    this.#wheel = new TimerWheel(0);
    this.#onOffered = onOffered;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** When `advance` next has something to do, at the earliest; Infinity: never. */
  get nextMs(): number {
    return this.#wheel.nextMs();
  }

  /** Some of what is due may be left for the next calls: who looks at a message asks `catchUp` first. */
  advance(nowMs: number, wallMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    this.#wallOffsetMs = wallMs - this.#nowMs;
    this.#wheel.advance(this.#nowMs, (message, dueMs) => this.#due(message, dueMs), dueAtOnce);
    this.ledger.advance(this.#nowMs);
  }

  /** Puts a message that stands nowhere yet where its state belongs. */
  link(message: Message): void {
    const { box, origin, state } = message;
    this.messages.set(message.id, message);
    this.#reasonBytes += reasonBytesOf(message.failures);
    if (origin.address !== undefined) this.addressed.add(message);
    if (state === 'dead') box.dead.bury(message);
    else {
      box.alive.push(message);
      if (origin.group !== undefined) box.join(message, origin.group);
    }
    this.ledger.add(message);
    if (state === 'ready') this.#offer(message);
    this.#schedule(message);
  }

  /** From now on; the message may be leased already. */
  lease(message: Message, visibilityMs: number): void {
    message.dueMs = this.#nowMs + visibilityMs;
    this.#schedule(message);
  }

  /** Does now what is due for this message. */
  catchUp(message: Message): void {
    const { wheelDueMs, wheelSlot } = message;
    if (wheelSlot < 0 || wheelDueMs > this.#nowMs) return;
    this.#wheel.cancel(message);
    this.#due(message, wheelDueMs);
  }

  /** The wheel says that a message's time has come. */
  #due(message: Message, dueMs: number): void {
    const { state } = message;
    if (state === 'leased') this.fail(message, dueMs, 'expired', undefined, undefined);
    else if (state === 'dead') this.vanish(message);
    else if (state === 'ready' || message.expiresMs <= dueMs) this.#expire(message, dueMs);
    else this.becomeReady(message);
  }

  /** A delivery that did not settle the message. `delayMs` undefined: the backoff decides. */
  fail(
    message: Message,
    atMs: number,
    outcome: Failure['outcome'],
    reason: string | undefined,
    delayMs: number | undefined,
  ): void {
    const { attempt, origin } = message;
    const fits = this.#reasonBytes + 2 * (reason?.length ?? 0) <= reasonBytesMax;
    const failure: Failure = { attempt, wallMs: atMs + this.#wallOffsetMs, outcome, reason: fits ? reason : undefined };
    this.remember(message, [...message.failures.slice(1 - failuresMax), failure]);
    const waitMs = delayMs ?? backoffMs(origin.id, attempt);
    if (attempt >= origin.attemptsMax) this.die(message, atMs, 'attempts');
    else if (message.expiresMs <= atMs) this.#expire(message, atMs);
    else if (waitMs === 0) this.becomeReady(message);
    else {
      this.ledger.move(message, 'delayed');
      message.dueMs = atMs + waitMs;
      this.#schedule(message);
    }
  }

  /** As if it had never been leased; it may have expired meanwhile. */
  release(message: Message): void {
    message.attempt -= 1;
    if (message.expiresMs <= this.#nowMs) this.#expire(message, this.#nowMs);
    else this.becomeReady(message, true);
  }

  /** All changes of the history of a message that stands in its box come through here. */
  remember(message: Message, failures: readonly Failure[]): void {
    this.#reasonBytes += reasonBytesOf(failures) - reasonBytesOf(message.failures);
    message.failures = failures;
  }

  /** `front`: before those that are ready already. */
  becomeReady(message: Message, front = false): void {
    this.ledger.move(message, 'ready');
    this.#schedule(message);
    this.#offer(message, front);
  }

  #offer(message: Message, front = false): void {
    if (message.box.offer(message, front)) this.#onOffered(message.box);
  }

  #schedule(message: Message): void {
    const { state, dueMs, expiresMs } = message;
    if (state === 'ready') this.#wheel.schedule(message, expiresMs);
    else this.#wheel.schedule(message, state === 'delayed' ? Math.min(dueMs, expiresMs) : dueMs);
  }

  #expire(message: Message, atMs: number): void {
    message.box.counters.expired += 1;
    this.counters.expired += 1;
    if (message.origin.deadOnExpiry) this.die(message, atMs, 'expired');
    else this.vanish(message);
  }

  die(message: Message, atMs: number, cause: DeathCause): void {
    const { box, origin } = message;
    message.lane?.remove(message);
    box.alive.remove(message);
    this.ledger.move(message, 'dead');
    message.cause = cause;
    message.deadWallMs = atMs + this.#wallOffsetMs;
    message.dueMs = atMs + origin.deadRetentionMs;
    box.dead.bury(message);
    this.counters.dead[cause] += 1;
    this.#schedule(message);
    this.#leaveGroup(message);
  }

  /** Out of everything. */
  vanish(message: Message): void {
    this.#wheel.cancel(message);
    message.lane?.remove(message);
    message.boxList?.remove(message);
    this.messages.delete(message.id);
    this.#reasonBytes -= reasonBytesOf(message.failures);
    this.ledger.remove(message, this.#nowMs);
    message.state = 'gone';
    if (message.origin.address !== undefined) this.addressed.remove();
    this.#leaveGroup(message);
  }

  #leaveGroup(message: Message): void {
    const next = message.box.leave(message);
    if (next?.state === 'ready') this.#offer(next);
  }
}
