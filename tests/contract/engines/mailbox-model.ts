import type { MailboxEngine } from '@ron/svc-mailbox/service';

export type BoxKey = Parameters<MailboxEngine['stats']>[0];
export type LeasedMessage = Awaited<ReturnType<MailboxEngine['receive']>>[number];
export type DeadLetter = NonNullable<Awaited<ReturnType<MailboxEngine['deadLetters']>>>['items'][number];

/** The commands that an engine takes, as its interface spells them. */
export type AnyCommand = Parameters<MailboxEngine['execute']>[0];
export type CommandOf<Op extends AnyCommand['op']> = Extract<AnyCommand, { readonly op: Op }>;
export type SendCommand = CommandOf<'send'>;
export type ReceiveCommand = Parameters<MailboxEngine['receive']>[0];
export type SettleCommand = CommandOf<'ack' | 'nack' | 'release' | 'extend'>;
export type SettleOp = SettleCommand['op'];

export interface ModelLimits {
  readonly attemptsMax: number;
  readonly retentionMs: number;
  readonly deadRetentionMs: number;
  readonly keyWindowMs: number;
  readonly tenantMessagesMax: number;
}

export interface ModelMessage {
  readonly sent: SendCommand;
  readonly attemptsMax: number;
  state: 'ready' | 'delayed' | 'leased' | 'dead';
  /** Delayed: ready at some moment from `fromMs` to `byMs`, the jitter of the backoff. */
  fromMs: number;
  byMs: number;
  /** When the lease ends, or the dead letter is forgotten. */
  untilMs: number;
  expiresMs: number;
  attempt: number;
  fence: number;
  nonce: number;
  cause: 'attempts' | 'expired' | 'damaged' | undefined;
  deadMs: number;
  history: readonly { readonly attempt: number; readonly outcome: string; readonly reason: string | undefined }[];
  /** Since when it can be leased: a span of time, and a number where a command settled the order. */
  offered: { readonly low: number; readonly high: number; readonly turn: number | undefined } | undefined;
}

const jitterMs = (attempt: number) => Math.min(60_000, 200 * 2 ** attempt);
const never = Number.POSITIVE_INFINITY;

/** What mailboxes do, in the plainest way: one list in the order of sending, searched from its start each time. */
export class MailboxModel {
  readonly limits: ModelLimits;
  nowMs: number;
  messages: ModelMessage[] = [];
  keys = new Map<string, { readonly digest: string; readonly id: string; readonly untilMs: number }>();
  #turn = 0;

  constructor(limits: ModelLimits, nowMs: number) {
    this.limits = limits;
    this.nowMs = nowMs;
  }

  clone(): MailboxModel {
    const copy = new MailboxModel(this.limits, this.nowMs);
    copy.messages = this.messages.map((message) => ({ ...message }));
    copy.keys = new Map(this.keys);
    copy.#turn = this.#turn;
    return copy;
  }

  /** The order in which messages became ready is not kept over a restart; that of their sending is. */
  restart(): void {
    for (const message of this.messages) {
      if (message.offered !== undefined) message.offered = { low: -never, high: never, turn: undefined };
    }
  }

  advance(nowMs: number): void {
    for (;;) {
      const due = this.messages.reduce((first, one) => Math.min(first, dueMs(one)), never);
      if (due > nowMs) break;
      this.nowMs = Math.max(this.nowMs, due);
      for (const message of this.messages.filter((one) => dueMs(one) === due)) this.#happen(message);
      this.#offer(false);
    }
    this.nowMs = Math.max(this.nowMs, nowMs);
  }

  #happen(message: ModelMessage): void {
    if (message.state === 'leased') this.#fail(message, 'expired', undefined, undefined);
    else if (message.state === 'dead') this.#drop(message);
    else if (message.expiresMs <= this.nowMs) this.#expire(message);
    else message.state = 'ready';
  }

  send(command: SendCommand) {
    const { key } = command;
    const known = key === undefined ? undefined : this.keys.get(key.hash);
    if (known !== undefined && known.untilMs > this.nowMs) {
      if (known.digest !== key!.digest) return { ok: false, refusal: 'key-conflict' };
      return { ok: true, id: known.id, duplicate: true };
    }
    const held = this.messages.filter(({ sent }) => sent.tenant === command.tenant).length;
    if (held >= this.limits.tenantMessagesMax) return { ok: false, refusal: 'tenant-messages' };
    if (key !== undefined) {
      this.keys.set(key.hash, { digest: key.digest, id: command.id, untilMs: this.nowMs + this.limits.keyWindowMs });
    }
    const readyMs = this.nowMs + command.delayMs;
    const ttlMs = Math.min(command.ttlMs ?? never, this.limits.retentionMs);
    this.messages.push({
      sent: command,
      attemptsMax: this.limits.attemptsMax,
      state: command.delayMs > 0 ? 'delayed' : 'ready',
      fromMs: readyMs,
      byMs: readyMs,
      untilMs: never,
      expiresMs: this.nowMs + ttlMs,
      attempt: 0,
      fence: 0,
      nonce: 0,
      cause: undefined,
      deadMs: 0,
      history: [],
      offered: undefined,
    });
    this.#offer(true);
    return { ok: true, id: command.id, duplicate: false };
  }

  /** Takes over what the engine delivered, or says why it may not have delivered that. */
  receive(command: ReceiveCommand, delivered: readonly Delivery[]): string | undefined {
    let bytes = 0;
    for (const [index, { id, attempt, fence, nonce }] of delivered.entries()) {
      const message = this.candidates(command).find(({ sent }) => sent.id === id);
      if (message === undefined) return `${id} is not the next`;
      bytes += message.sent.jsonBytes;
      if (index > 0 && bytes > command.bytesMax) return `${id} is too large for the rest`;
      if (attempt !== message.attempt + 1) return `${id}: attempt ${attempt} after ${message.attempt}`;
      if (fence !== message.fence + 1) return `${id}: fence ${fence} after ${message.fence}`;
      const lease = { state: 'leased', attempt, fence, nonce, untilMs: this.nowMs + command.visibilityMs } as const;
      Object.assign(message, lease, { offered: undefined });
    }
    const left = this.candidates(command);
    const fits = left.length > 0 && left.every(({ sent }) => bytes + sent.jsonBytes <= command.bytesMax);
    const sure = left.some(({ state }) => state === 'ready');
    if (delivered.length < command.max && sure && (fits || delivered.length === 0))
      return `${left[0]!.sent.id} was left`;
    return delivered.length > command.max ? 'more than asked for' : undefined;
  }

  /** Which messages a receiver may get next. */
  candidates(key: BoxKey): ModelMessage[] {
    const perhaps = this.inBox(key).filter((one) => this.#isHead(one) && this.#offerOf(one) !== undefined);
    return perhaps.filter((one) => !perhaps.some((other) => other.state === 'ready' && this.#goesBefore(other, one)));
  }

  #goesBefore(one: ModelMessage, other: ModelMessage): boolean {
    if (one.sent.priority !== other.sent.priority) return one.sent.priority > other.sent.priority;
    const [left, right] = [this.#offerOf(one)!, this.#offerOf(other)!];
    if (left.high < right.low) return true;
    const settled = left.low === right.low && left.high === right.high;
    return settled && left.turn !== undefined && right.turn !== undefined && left.turn < right.turn;
  }

  #offerOf(message: ModelMessage): ModelMessage['offered'] {
    if (message.state === 'ready') return message.offered;
    const perhaps = message.state === 'delayed' && message.fromMs <= this.nowMs;
    return perhaps ? { low: message.fromMs, high: message.byMs, turn: undefined } : undefined;
  }

  settle(command: SettleCommand): readonly boolean[] {
    return command.leases.map((ref) => {
      const message = this.inBox(command).find(({ sent }) => sent.id === ref?.id);
      if (message?.state !== 'leased' || ref === undefined) return false;
      if (message.fence !== ref.fence || message.nonce !== ref.nonce) return false;
      if (command.op === 'extend') message.untilMs = this.nowMs + command.visibilityMs;
      else if (command.op === 'ack') this.#drop(message);
      else if (command.op === 'nack') this.#fail(message, 'nack', command.reason, command.delayMs);
      else {
        // As if it had never been taken: before all that wait.
        const offered = { low: -never, high: -never, turn: undefined };
        Object.assign(message, { state: 'ready', attempt: message.attempt - 1, offered });
        if (message.expiresMs <= this.nowMs) this.#expire(message);
      }
      this.#offer(true);
      return true;
    });
  }

  /** Whether this lease is a live one. */
  holds({ id, fence, nonce }: Pick<Delivery, 'id' | 'fence' | 'nonce'>): boolean {
    const message = this.messages.find(({ sent }) => sent.id === id);
    return message?.state === 'leased' && message.fence === fence && message.nonce === nonce;
  }

  remove(key: BoxKey, id: string): boolean {
    const message = this.inBox(key).find(({ sent }) => sent.id === id);
    if (message !== undefined) this.#drop(message);
    this.#offer(true);
    return message !== undefined;
  }

  redrive(command: CommandOf<'redrive'>): { readonly moved: number; readonly left: number } {
    const moved = this.#chosen(command).filter(({ cause }) => cause !== 'damaged');
    for (const message of moved) {
      this.#drop(message);
      const expiresMs = this.nowMs + this.limits.retentionMs;
      this.messages.push({ ...message, state: 'ready', attempt: 0, cause: undefined, expiresMs });
      this.#offer(true);
    }
    return { moved: moved.length, left: this.dead(command).length };
  }

  purge(command: CommandOf<'purge'>): { readonly moved: number; readonly left: number } {
    const moved = this.#chosen(command);
    for (const message of moved) this.#drop(message);
    return { moved: moved.length, left: this.dead(command).length };
  }

  #chosen({ ids, max, ...key }: CommandOf<'redrive' | 'purge'>): ModelMessage[] {
    const dead = this.dead(key);
    if (ids === undefined) return dead.slice(0, max);
    return ids.flatMap((id) => dead.find(({ sent }) => sent.id === id) ?? []);
  }

  /** The ids of what may be the oldest `max` dead letters: several deaths in one millisecond have no order that lasts. */
  oldest(key: BoxKey, max: number, dead = this.dead(key)): string[][] {
    const [first] = dead;
    if (first === undefined || max === 0) return [[]];
    const tied = dead.filter(({ deadMs }) => deadMs === first.deadMs);
    return tied.flatMap((one) => {
      const rest = dead.filter((other) => other !== one);
      return this.oldest(key, max - 1, rest).map((ids) => [one.sent.id, ...ids]);
    });
  }

  quarantine(key: BoxKey, id: string): boolean {
    const message = this.inBox(key).find(({ sent }) => sent.id === id);
    if (message?.state === 'dead') message.cause = 'damaged';
    else if (message !== undefined) this.#die(message, 'damaged');
    this.#offer(true);
    return message !== undefined;
  }

  inBox({ tenant, box }: BoxKey): ModelMessage[] {
    return this.messages.filter(({ sent }) => sent.tenant === tenant && sent.box === box);
  }

  /** Those that died first come first, those of one millisecond in the order of sending. */
  dead(key: BoxKey): ModelMessage[] {
    const dead = this.inBox(key).filter(({ state }) => state === 'dead');
    return dead.sort((one, other) => one.deadMs - other.deadMs);
  }

  #isHead(message: ModelMessage): boolean {
    const { group } = message.sent;
    if (message.state === 'dead') return false;
    if (group === undefined) return true;
    return this.inBox(message.sent).find((one) => one.state !== 'dead' && one.sent.group === group) === message;
  }

  #offer(byCommand: boolean): void {
    for (const message of this.messages) {
      if (message.state !== 'ready') message.offered = undefined;
      else if (message.offered === undefined && this.#isHead(message)) {
        // One that a timer made ready has its place among those of the same moment by chance.
        const span = { low: this.nowMs, high: this.nowMs };
        const backoff = message.byMs === this.nowMs && message.fromMs < this.nowMs;
        if (byCommand) message.offered = { ...span, turn: ++this.#turn };
        else message.offered = { ...span, ...(backoff && { low: message.fromMs }), turn: undefined };
      }
    }
  }

  #fail(message: ModelMessage, outcome: string, reason: string | undefined, delayMs: number | undefined): void {
    const { attempt } = message;
    message.history = [...message.history, { attempt, outcome, reason }].slice(-16);
    if (attempt >= message.attemptsMax) this.#die(message, 'attempts');
    else if (message.expiresMs <= this.nowMs) this.#expire(message);
    else {
      const [least, most] = delayMs === undefined ? [0, jitterMs(attempt)] : [delayMs, delayMs];
      message.state = most === 0 ? 'ready' : 'delayed';
      message.fromMs = this.nowMs + least;
      message.byMs = this.nowMs + most;
    }
  }

  #expire(message: ModelMessage): void {
    if (message.sent.deadOnExpiry) this.#die(message, 'expired');
    else this.#drop(message);
  }

  #die(message: ModelMessage, cause: ModelMessage['cause']): void {
    const untilMs = this.nowMs + this.limits.deadRetentionMs;
    Object.assign(message, { state: 'dead', cause, deadMs: this.nowMs, untilMs, offered: undefined });
  }

  #drop(message: ModelMessage): void {
    this.messages = this.messages.filter((one) => one !== message);
  }
}

export type Delivery = Pick<LeasedMessage, 'id' | 'attempt' | 'fence' | 'nonce'>;

/** When time alone changes a message next. */
function dueMs({ state, untilMs, expiresMs, byMs }: ModelMessage): number {
  if (state === 'leased' || state === 'dead') return untilMs;
  return Math.min(expiresMs, state === 'delayed' ? byMs : never);
}
