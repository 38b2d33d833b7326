import type { Box, BoxCounters } from './box.ts';
import type {
  BoxKey,
  Command,
  Delivered,
  LeaseRef,
  LeaseRefs,
  Nack,
  Outcomes,
  Purge,
  Receive,
  Redrive,
  Send,
} from './command.ts';
import type { FactSink } from './facts.ts';
import { IdempotencyTable } from './idempotency-table.ts';
import type { LedgerLimits } from './ledger.ts';
import { dueAtOnce, Lifecycle } from './lifecycle.ts';
import { Message } from './message.ts';

export interface MachineLimits extends LedgerLimits {
  readonly attemptsMax: number;
  readonly retentionMs: number;
  readonly deadRetentionMs: number;
  readonly keyWindowMs: number;
  readonly keysMax: number;
}

export interface MachinePorts {
  /** Read at each use, so that a reload holds at once. */
  readonly limits: () => MachineLimits;
  /** 32 random bits, for the table of keys; nothing that anybody sees depends on them. */
  readonly keySeed: number;
  readonly facts: FactSink;
  /** A message of the box can be leased that could not be before. */
  readonly onOffered: (box: Box) => void;
  readonly onSent: (box: Box) => void;
}

/** Expired keys that one call forgets at most, so that none takes long. */
const keysAtOnce = 256;

/**
 * The state of all mailboxes and what commands do to it: (state, command, now) → (state, outcome, facts). No I/O, no
 * clock, no chance; the same commands at the same times come to the same state. A command takes a time that
 * depends on what it returns, and `advance` does a bounded part of what is due; only when the wheel deals a far slot anew
 * does the number of timers in it count (22 ms for 500,000).
 */
export class Machine {
  readonly life: Lifecycle;
  readonly keys: IdempotencyTable;
  /** The `order` of the next message. */
  nextOrder = 1;
  readonly #ports: MachinePorts;

  constructor(ports: MachinePorts) {
    this.#ports = ports;
    this.life = new Lifecycle(ports);
    this.keys = new IdempotencyTable(ports.limits().keysMax, ports.keySeed);
  }

  /** Lets everything happen that is due. Times are integer milliseconds; one before the last is taken for the last. */
  advance(nowMs: number, wallMs: number): void {
    this.life.advance(nowMs, wallMs);
    this.keys.expire(this.life.nowMs, keysAtOnce);
  }

  /** Call `advance` first. */
  apply<C extends Command>(command: C): Outcomes[C['op']];
  apply(command: Command): Outcomes[Command['op']] {
    switch (command.op) {
      case 'send':
        return this.#send(command);
      case 'receive':
        return this.#receive(command);
      case 'ack':
        return this.#settle(command, (message) => this.#ack(message));
      case 'nack':
        return this.#settle(command, (message) => this.#nack(message, command));
      case 'release':
        return this.#settle(command, (message) => this.#release(message));
      case 'extend':
        return this.#settle(command, (message) => this.#lease(message, command.visibilityMs));
      case 'remove':
        return this.#remove(command, command.id);
      case 'redrive':
        return this.#eachDead(command, (message) => this.#redrive(message));
      case 'purge':
        return this.#eachDead(command, (message) => this.#purge(message));
      case 'quarantine':
        return this.#quarantine(command, command.id);
    }
  }

  /** A message that was acknowledged and is lost: a dead letter without content takes its place. */
  bury({ id, sentWallMs, tenant, box }: BoxKey & { readonly id: string; readonly sentWallMs: number }): Message {
    const { attemptsMax, retentionMs, deadRetentionMs } = this.#ports.limits();
    const { nowMs, ledger } = this.life;
    const origin = {
      id,
      sentWallMs,
      sentMs: nowMs,
      sizeBytes: 0,
      jsonBytes: 0,
      address: undefined,
      group: undefined,
      priority: 0,
      deadOnExpiry: false,
      attemptsMax,
      deadRetentionMs,
      retentionMs,
    };
    const message = new Message(origin, ledger.open({ tenant, box }, nowMs), undefined, this.nextOrder++, nowMs);
    this.life.link(message);
    this.life.die(message, nowMs, 'damaged');
    return message;
  }

  #send(command: Send): Outcomes['send'] {
    const { key, sizeBytes } = command;
    if (this.life.messages.has(command.id)) throw new Error('an id came twice');
    const limits = this.#ports.limits();
    if (key !== undefined) {
      const known = this.keys.find(key.hash, this.life.nowMs);
      if (known !== undefined && known.digest !== key.digest) return { ok: false, refusal: 'key-conflict' };
      if (known !== undefined) {
        this.life.counters.duplicates += 1;
        const box = this.life.ledger.find(command);
        if (box !== undefined) box.counters.duplicates += 1;
        return { ok: true, id: known.id, duplicate: true };
      }
    }
    const refusal = this.life.ledger.refusal(command, sizeBytes);
    if (refusal !== undefined) return { ok: false, refusal };
    const untilMs = this.life.nowMs + Math.min(key?.windowMs ?? limits.keyWindowMs, limits.keyWindowMs);
    if (key !== undefined) {
      this.keys.entriesMax = limits.keysMax;
      if (!this.keys.remember(key.hash, { digest: key.digest, id: command.id, untilMs }, this.life.nowMs)) {
        return { ok: false, refusal: 'keys', retryAfterMs: Math.max(1, this.keys.nextMs() - this.life.nowMs) };
      }
    }
    const message = this.#make(command, limits);
    message.state = command.delayMs > 0 ? 'delayed' : 'ready';
    message.dueMs = this.life.nowMs + command.delayMs;
    this.life.link(message);
    this.#count(message.box, 'sent');
    this.#ports.facts.sent(message, key === undefined ? undefined : { hash: key.hash, digest: key.digest, untilMs });
    this.#ports.onSent(message.box);
    return { ok: true, id: message.id, duplicate: false };
  }

  #make(command: Send, limits: MachineLimits): Message {
    const { body } = command.content;
    const origin = {
      id: command.id,
      sentWallMs: command.sentWallMs,
      sentMs: this.life.nowMs,
      sizeBytes: command.sizeBytes,
      jsonBytes: command.jsonBytes,
      address: body.kind === 'address' ? body.address : undefined,
      group: command.group,
      priority: command.priority,
      deadOnExpiry: command.deadOnExpiry,
      attemptsMax: limits.attemptsMax,
      deadRetentionMs: limits.deadRetentionMs,
      retentionMs: limits.retentionMs,
    };
    const expiresMs = this.life.nowMs + Math.min(command.ttlMs ?? Number.POSITIVE_INFINITY, limits.retentionMs);
    const box = this.life.ledger.open(command, this.life.nowMs);
    return new Message(origin, box, command.content, this.nextOrder++, expiresMs);
  }

  #receive(command: Receive): readonly Delivered[] {
    const box = this.life.ledger.find(command);
    const delivered: Delivered[] = [];
    if (box === undefined) return delivered;
    let jsonBytes = 0;
    let stale = dueAtOnce;
    while (delivered.length < command.max) {
      const message = box.next();
      if (message === undefined) break;
      if (message.expiresMs <= this.life.nowMs) {
        if (stale === 0) break;
        stale -= 1;
        this.life.catchUp(message);
        continue;
      }
      jsonBytes += message.origin.jsonBytes;
      if (delivered.length > 0 && jsonBytes > command.bytesMax) break;
      message.lane?.remove(message);
      message.attempt += 1;
      message.fence += 1;
      message.nonce = (command.nonce + delivered.length) >>> 0;
      this.life.ledger.move(message, 'leased');
      this.#lease(message, command.visibilityMs);
      const { attempt, fence, nonce } = message;
      delivered.push({ message, attempt, fence, nonce });
      if (attempt > 1) this.#count(box, 'redelivered');
    }
    this.#count(box, 'delivered', delivered.length);
    return delivered;
  }

  #settle(command: BoxKey & { readonly leases: LeaseRefs }, settle: (message: Message) => void): readonly boolean[] {
    const box = this.life.ledger.find(command);
    return command.leases.map((ref) => {
      const message = this.#held(box, ref);
      if (message === undefined) this.life.counters.staleLeases += 1;
      else settle(message);
      return message !== undefined;
    });
  }

  /** The message whose live lease this is. */
  #held(box: Box | undefined, ref: LeaseRef | undefined): Message | undefined {
    if (box === undefined || ref === undefined) return undefined;
    const message = this.life.messages.get(ref.id);
    if (message !== undefined) this.life.catchUp(message);
    if (message?.state !== 'leased' || message.box !== box) return undefined;
    return message.fence === ref.fence && message.nonce === ref.nonce ? message : undefined;
  }

  #lease(message: Message, visibilityMs: number): void {
    this.life.lease(message, visibilityMs);
    this.#ports.facts.changed(message);
  }

  #count(box: Box, what: keyof BoxCounters, by = 1): void {
    box.counters[what] += by;
    this.life.counters[what] += by;
  }

  #gone(message: Message, how: 'acked' | 'deleted'): void {
    this.#count(message.box, how);
    this.#ports.facts.gone(message);
    this.life.vanish(message);
  }

  #ack(message: Message): void {
    this.#gone(message, 'acked');
  }

  #nack(message: Message, { delayMs, reason }: Nack): void {
    this.life.counters.nacked += 1;
    this.life.fail(message, this.life.nowMs, 'nack', reason, delayMs);
    this.#told(message);
  }

  #release(message: Message): void {
    this.life.release(message);
    this.#told(message);
  }

  #told(message: Message): void {
    if (message.state === 'gone') this.#ports.facts.gone(message);
    else this.#ports.facts.changed(message);
  }

  #remove(key: BoxKey, id: string): boolean {
    const message = this.life.messages.get(id);
    if (message === undefined || message.box !== this.life.ledger.find(key)) return false;
    this.#gone(message, 'deleted');
    return true;
  }

  #eachDead(command: Redrive | Purge, move: (message: Message) => boolean): Outcomes['redrive'] {
    const box = this.life.ledger.find(command);
    if (box === undefined) return undefined;
    let moved = 0;
    if (command.ids !== undefined) {
      for (const id of command.ids) {
        const message = this.life.messages.get(id);
        if (message?.state === 'dead' && message.box === box && move(message)) moved += 1;
      }
      return { moved, left: box.dead.length };
    }
    let message = box.dead.first;
    for (let seen = 0; message !== undefined && seen < command.max; seen += 1) {
      const next: Message | undefined = message.boxNext;
      if (move(message)) moved += 1;
      message = next;
    }
    return { moved, left: box.dead.length };
  }

  /** A damaged message has nothing to deliver: it stays a dead letter. */
  #redrive(message: Message): boolean {
    if (message.cause === 'damaged') return false;
    const { box, origin } = message;
    box.dead.remove(message);
    message.order = this.nextOrder++;
    message.attempt = 0;
    message.cause = undefined;
    message.expiresMs = this.life.nowMs + origin.retentionMs;
    box.alive.push(message);
    if (origin.group !== undefined) box.join(message, origin.group);
    this.life.becomeReady(message);
    this.#ports.facts.changed(message);
    // It stands at the end of the box now: who watches what comes sees it too.
    this.#ports.onSent(box);
    return true;
  }

  #purge(message: Message): boolean {
    this.#gone(message, 'deleted');
    return true;
  }

  #quarantine(key: BoxKey, id: string): boolean {
    const message = this.life.messages.get(id);
    if (message === undefined || message.box !== this.life.ledger.find(key)) return false;
    if (message.state === 'dead') message.cause = 'damaged';
    else this.life.die(message, this.life.nowMs, 'damaged');
    this.#ports.facts.changed(message);
    return true;
  }
}
