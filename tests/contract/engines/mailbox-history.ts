/**
 * What clients of mailboxes have seen, and whether it can be true of a mailbox that loses nothing. The checker knows no
 * engine and no model: it reads what was asked, when, and what came back, and reports what no order of events explains.
 *
 * Times are virtual milliseconds of the world, not of the mailbox clock. An operation took effect at some moment from
 * its invocation to its response; one without a response (`respondedMs` undefined) at some later moment, or never.
 */
interface Call {
  readonly box: string;
  readonly invokedMs: number;
  /** Undefined: no answer came, and what became of it is not known. */
  readonly respondedMs: number | undefined;
}

export interface SendCall extends Call {
  readonly op: 'send';
  /** Of the message if this one made it. */
  readonly id: string;
  readonly key: string | undefined;
  readonly group: string | undefined;
  readonly ttlMs: number;
  /** After `ttlMs` it is a dead letter; otherwise gone. */
  readonly deadOnExpiry: boolean;
  /** Undefined: refused, or no answer. */
  readonly answer: { readonly id: string; readonly duplicate: boolean } | undefined;
}

/** A lease as its holder knows it. */
export interface Grant {
  readonly id: string;
  readonly fence: number;
  readonly attempt: number;
}

export interface ReceiveCall extends Call {
  readonly op: 'receive';
  readonly visibilityMs: number;
  readonly grants: readonly Grant[];
}

export interface SettleCall extends Call {
  readonly op: 'ack' | 'nack' | 'release' | 'extend';
  readonly id: string;
  readonly fence: number;
  /** Of an extend. */
  readonly visibilityMs: number;
  /** Whether the lease was good; undefined: no answer. */
  readonly ok: boolean | undefined;
}

/** Takes a message away by its name: `remove`, `purge`; or brings a dead one back: `redrive`. */
export interface MoveCall extends Call {
  readonly op: 'remove' | 'purge' | 'redrive' | 'quarantine';
  readonly id: string;
  readonly ok: boolean | undefined;
}

/** The node was down: its clock stood still, and went back to the last moment that it had written down. */
export interface Restart {
  readonly op: 'restart';
  readonly downMs: number;
  readonly upMs: number;
  /** Mailbox time between the last answer and the end that may come once more. */
  readonly repeatedMs: number;
}

/** All that is in the boxes when everything is over. */
export interface Remains {
  readonly op: 'remains';
  readonly atMs: number;
  readonly alive: ReadonlySet<string>;
  readonly dead: ReadonlySet<string>;
}

export type Moment = SendCall | ReceiveCall | SettleCall | MoveCall | Restart | Remains;

export interface HistoryLimits {
  readonly attemptsMax: number;
  readonly keyWindowMs: number;
  /** Milliseconds after which a dead letter may be gone. */
  readonly deadRetentionMs: number;
}

export type Rule =
  | 'lost'
  | 'delivered after it was settled'
  | 'two live leases'
  | 'out of order in its group'
  | 'sent twice'
  | 'fence went back'
  | 'ended lease accepted'
  | 'live lease refused'
  | 'too many deliveries'
  | 'unknown message';

export interface HistoryViolation {
  readonly rule: Rule;
  readonly detail: string;
}

/** A delivery, with what bounds its lease: it is live at least in [sureFrom, sureUntil), and at most to `latest`. */
interface Lease extends Grant {
  readonly box: string;
  readonly invokedMs: number;
  readonly sureFrom: number;
  readonly sureUntil: number;
  readonly latest: number;
}

/** All that concerns one message. */
interface Story {
  readonly id: string;
  readonly sends: SendCall[];
  readonly receives: { readonly call: ReceiveCall; readonly grant: Grant }[];
  readonly settles: SettleCall[];
  readonly moves: MoveCall[];
}

const never = Number.POSITIVE_INFINITY;
/** The mailbox clock counts whole milliseconds. */
const tickMs = 1;
const none: Grant = { id: '', fence: 0, attempt: 0 };

export function checkHistory(history: readonly Moment[], limits: HistoryLimits): readonly HistoryViolation[] {
  return new Checker(history, limits).all();
}

class Checker {
  readonly #limits: HistoryLimits;
  readonly #found: HistoryViolation[] = [];
  readonly #stories = new Map<string, Story>();
  readonly #restarts: Restart[] = [];
  /** Deliveries of which nobody heard, by box. */
  readonly #unheard = new Map<string, ReceiveCall[]>();
  readonly #sends: SendCall[] = [];
  #remains: Remains | undefined;

  constructor(history: readonly Moment[], limits: HistoryLimits) {
    this.#limits = limits;
    for (const moment of history) this.#file(moment);
  }

  all(): readonly HistoryViolation[] {
    this.#checkKeys();
    const leases = new Map<string, readonly Lease[]>();
    for (const story of this.#stories.values()) {
      const own = story.receives.map(({ call, grant }) => this.#lease(story, call, grant));
      leases.set(story.id, own);
      this.#checkFences(story, own);
      this.#checkSettles(story, own);
      this.#checkEnd(story);
    }
    for (const group of this.#groups()) this.#checkGroup(group, leases);
    return this.#found;
  }

  #file(moment: Moment): void {
    if (moment.op === 'restart') this.#restarts.push(moment);
    else if (moment.op === 'remains') this.#remains = moment;
    else if (moment.op === 'send') {
      this.#sends.push(moment);
      this.#story(moment.answer?.id ?? moment.id).sends.push(moment);
    } else if (moment.op === 'receive') {
      for (const grant of moment.grants) this.#story(grant.id).receives.push({ call: moment, grant });
      if (moment.respondedMs === undefined) {
        this.#unheard.set(moment.box, [...(this.#unheard.get(moment.box) ?? []), moment]);
      }
    } else if ('fence' in moment) this.#story(moment.id).settles.push(moment);
    else this.#story(moment.id).moves.push(moment);
  }

  #story(id: string): Story {
    let story = this.#stories.get(id);
    if (story === undefined) {
      story = { id, sends: [], receives: [], settles: [], moves: [] };
      this.#stories.set(id, story);
    }
    return story;
  }

  #report(rule: Rule, detail: string): void {
    this.#found.push({ rule, detail });
  }

  /** World time that may pass while mailbox time runs from `fromMs` for `durationMs`: a node that is down adds to it. */
  #stretched(fromMs: number, durationMs: number): number {
    let until = fromMs + durationMs;
    for (const { downMs, upMs, repeatedMs } of this.#restarts) {
      // A clock that goes back makes a lease live that had ended unnoticed.
      if (upMs > fromMs && downMs - repeatedMs <= until) until += upMs - downMs + repeatedMs;
    }
    return until;
  }

  #lease(story: Story, call: ReceiveCall, grant: Grant): Lease {
    const sureFrom = call.respondedMs ?? call.invokedMs;
    let sureUntil = call.invokedMs + call.visibilityMs - tickMs;
    let latest = this.#stretched(sureFrom, call.visibilityMs);
    const own = story.settles.filter((settle) => settle.fence === grant.fence && settle.ok !== false);
    for (const { op, ok, invokedMs, respondedMs, visibilityMs } of own) {
      if (op !== 'extend') continue;
      // One that took effect late cannot have shortened what was sure before it.
      latest = Math.max(latest, this.#stretched(respondedMs ?? this.#lifeEnd(invokedMs), visibilityMs));
      const sureEnd = invokedMs + visibilityMs - tickMs;
      sureUntil = ok === true ? sureEnd : Math.min(sureUntil, sureEnd);
    }
    for (const { op, invokedMs } of own) if (op !== 'extend') sureUntil = Math.min(sureUntil, invokedMs);
    for (const { ok, invokedMs, op } of story.moves) {
      if (ok !== false && op !== 'redrive') sureUntil = Math.min(sureUntil, invokedMs);
    }
    return { ...grant, box: call.box, invokedMs: call.invokedMs, sureFrom, sureUntil, latest };
  }

  /** What a process was asked takes effect while it lives, or never. */
  #lifeEnd(atMs: number): number {
    return this.#restarts.find(({ downMs }) => downMs >= atMs)?.downMs ?? this.#remains?.atMs ?? atMs;
  }

  #checkKeys(): void {
    const byKey = new Map<string, SendCall[]>();
    for (const send of this.#sends) {
      if (send.key === undefined) continue;
      const name = `${send.box} ${send.key}`;
      byKey.set(name, [...(byKey.get(name) ?? []), send]);
    }
    for (const [name, sends] of byKey) {
      const answered = sends.filter((send) => send.answer !== undefined);
      for (const [index, one] of answered.entries()) {
        for (const other of answered.slice(index + 1)) this.#checkPair(name, one, other);
      }
      // A send without an answer may have made its message, but then it is the only one.
      const made = sends.filter(({ id }) => this.#isSeen(id));
      // One that was held up may have come after the window.
      const done = ({ invokedMs, respondedMs }: SendCall) => respondedMs ?? this.#lifeEnd(invokedMs);
      const close = made.filter((send) => done(send) - made[0]!.invokedMs < this.#limits.keyWindowMs);
      const ids = new Set(close.map(({ id }) => id));
      if (ids.size > 1) this.#report('sent twice', `key ${name}: ${[...ids].join(', ')} were all there`);
    }
  }

  #isSeen(id: string): boolean {
    const story = this.#stories.get(id);
    const remains = this.#remains;
    return (story?.receives.length ?? 0) > 0 || remains?.alive.has(id) === true || remains?.dead.has(id) === true;
  }

  #checkPair(name: string, one: SendCall, other: SendCall): void {
    // The window counts from the send that made the message, not from its repetitions.
    const made = this.#sends.find(({ id }) => id === one.answer!.id) ?? one;
    const span = Math.max(one.respondedMs!, other.respondedMs!) - Math.min(made.invokedMs, other.invokedMs);
    if (span >= this.#limits.keyWindowMs) return;
    const ids = `${one.answer!.id} and ${other.answer!.id}`;
    if (one.answer!.id !== other.answer!.id) this.#report('sent twice', `key ${name} gave ${ids}`);
    else if (!one.answer!.duplicate && !other.answer!.duplicate) {
      this.#report('sent twice', `key ${name}: twice the first, ${ids}`);
    }
  }

  #checkFences({ id, sends }: Story, leases: readonly Lease[]): void {
    if (sends.length === 0) this.#report('unknown message', `${id} was delivered and never sent`);
    for (const lease of leases) {
      if (lease.attempt > this.#limits.attemptsMax) this.#report('too many deliveries', `${id}: ${lease.attempt}`);
      for (const later of leases) {
        if (later === lease) continue;
        if (later.fence === lease.fence) this.#report('fence went back', `${id}: fence ${lease.fence} twice`);
        if (later.invokedMs < lease.sureFrom) continue;
        if (later.fence < lease.fence) {
          this.#report(
            'fence went back',
            `${id}: ${lease.fence} at ${lease.sureFrom}, ${later.fence} at ${later.sureFrom}`,
          );
        }
        if (later.sureFrom < lease.sureUntil) {
          const times = `${lease.sureFrom} to ${lease.sureUntil}, and again at ${later.sureFrom}`;
          this.#report('two live leases', `${id}: leased ${times}`);
        }
      }
    }
  }

  #checkSettles(story: Story, leases: readonly Lease[]): void {
    const { id, settles, moves } = story;
    for (const { op, ok, respondedMs } of [...settles, ...moves]) {
      if (ok !== true || !['ack', 'remove', 'purge'].includes(op)) continue;
      for (const lease of leases) {
        if (lease.invokedMs >= respondedMs!) {
          this.#report('delivered after it was settled', `${id}: ${op} at ${respondedMs}, lease at ${lease.invokedMs}`);
        }
      }
    }
    for (const settle of settles) {
      const lease = leases.find(({ fence }) => fence === settle.fence);
      if (settle.ok === true) this.#checkAccepted(story, settle, lease, leases);
      if (settle.ok === false && lease !== undefined) this.#checkRefused(id, settle, lease);
    }
  }

  #checkAccepted({ id, settles }: Story, settle: SettleCall, lease: Lease | undefined, leases: readonly Lease[]): void {
    const what = `${id}: ${settle.op} with fence ${settle.fence} at ${settle.invokedMs}`;
    if (lease === undefined) {
      this.#report('ended lease accepted', `${what}, which nobody was given`);
      return;
    }
    if (settle.invokedMs > lease.latest) this.#report('ended lease accepted', `${what}, ended by ${lease.latest}`);
    const newer = leases.find(({ fence, sureFrom }) => fence > settle.fence && sureFrom < settle.invokedMs);
    if (newer !== undefined) this.#report('ended lease accepted', `${what}, after fence ${newer.fence} was given`);
    const before = settles.find(
      ({ fence, ok, op, respondedMs }) =>
        fence === settle.fence && ok === true && op !== 'extend' && respondedMs! < settle.invokedMs,
    );
    if (before !== undefined) this.#report('ended lease accepted', `${what}, settled at ${before.respondedMs}`);
  }

  #checkRefused(id: string, settle: SettleCall, lease: Lease): void {
    if (settle.invokedMs >= lease.sureFrom && settle.respondedMs! < lease.sureUntil) {
      this.#report('live lease refused', `${id}: ${settle.op} with fence ${settle.fence} at ${settle.invokedMs}`);
    }
  }

  /** An acknowledged message is somewhere, or there is a reason why not. */
  #checkEnd(story: Story): void {
    const { id, sends, settles, moves } = story;
    const remains = this.#remains;
    const acknowledged = sends.find(({ answer }) => answer?.id === id);
    if (remains === undefined || acknowledged === undefined) return;
    const isThere = remains.alive.has(id) || remains.dead.has(id);
    const settled = settles.some(({ op, ok }) => op === 'ack' && ok === true);
    const taken = moves.some(({ op, ok }) => (op === 'remove' || op === 'purge') && ok === true);
    if (isThere && (settled || taken)) this.#report('delivered after it was settled', `${id} is still there`);
    if (isThere || settled || taken) return;
    const perhaps = settles.some(({ op, ok }) => op === 'ack' && ok === undefined);
    const perhapsTaken = moves.some(({ op, ok }) => (op === 'remove' || op === 'purge') && ok === undefined);
    const first = Math.min(...sends.map(({ invokedMs }) => invokedMs));
    const { ttlMs, deadOnExpiry } = acknowledged;
    const { deadRetentionMs } = this.#limits;
    const goneMs = deadOnExpiry ? deadRetentionMs : Math.min(ttlMs, deadRetentionMs);
    const expired = remains.atMs >= first + goneMs;
    if (!perhaps && !perhapsTaken && !expired)
      this.#report('lost', `${id}, acknowledged at ${acknowledged.respondedMs}`);
  }

  /** Messages of one group, those whose place cannot be told left out. */
  #groups(): Iterable<readonly Story[]> {
    const groups = new Map<string, Story[]>();
    for (const story of this.#stories.values()) {
      const send = story.sends.find(({ answer }) => answer?.id === story.id);
      if (send?.group === undefined || story.moves.some(({ op }) => op === 'redrive')) continue;
      const name = `${send.box} ${send.group}`;
      groups.set(name, [...(groups.get(name) ?? []), story]);
    }
    return groups.values();
  }

  #checkGroup(group: readonly Story[], leases: ReadonlyMap<string, readonly Lease[]>): void {
    for (const before of group) {
      const aliveUntil = this.#aliveUntil(before);
      const sentBy = Math.min(...before.sends.map(({ answer, respondedMs }) => (answer ? respondedMs! : never)));
      for (const after of group) {
        const sentFrom = Math.min(...after.sends.map(({ invokedMs }) => invokedMs));
        if (before === after || sentBy > sentFrom) continue;
        const early = leases.get(after.id)!.find(({ sureFrom }) => sureFrom < aliveUntil);
        if (early === undefined) continue;
        const detail = `${after.id} at ${early.sureFrom}, while ${before.id} was not settled before ${aliveUntil}`;
        this.#report('out of order in its group', detail);
      }
    }
  }

  /** Until when it was neither gone nor dead, for sure. */
  #aliveUntil({ id, sends, settles, moves, receives }: Story): number {
    const { box, ttlMs } = sends[0]!;
    const first = Math.min(...sends.map(({ invokedMs }) => invokedMs));
    let until = first + ttlMs;
    for (const { op, ok, invokedMs } of settles) if (op === 'ack' && ok !== false) until = Math.min(until, invokedMs);
    for (const { ok, invokedMs } of moves) if (ok !== false) until = Math.min(until, invokedMs);
    // The last attempt may be one of which nobody heard.
    const unheard = this.#unheard.get(box) ?? [];
    const enough = ({ attempt }: Grant) => attempt + unheard.length >= this.#limits.attemptsMax;
    const spent = receives.filter(({ grant }) => enough(grant)).map(({ call }) => call.invokedMs);
    const most = receives.reduce<Grant>((one, { grant }) => (grant.attempt > one.attempt ? grant : one), none);
    if (!enough(most)) return until;
    const failed = Math.min(...spent, ...unheard.map(({ invokedMs }) => invokedMs));
    return this.#remains?.alive.has(id) ? until : Math.min(until, failed);
  }
}
