import type { Clock, Work } from '@ron/kernel';
import { addressFromHash } from '@ron/naming';
import type { CapabilityView } from '@ron/proto/capability';
import type { Credential } from '@ron/service';

/** Whose turn a call takes. */
export interface Caller {
  /** The lane in the fair queue. */
  readonly lane: string;
  /** The line inside it. */
  readonly line: string;
}

export interface IdentityPorts {
  readonly clock: Clock;
  readonly work: Pick<Work, 'blake3'>;
  /**
   * Asks a backend whose the token is, as a call of `asker`. Undefined when the backend refuses it; rejects when nobody
   * could be asked.
   */
  whose(token: string | Uint8Array, asker: Caller, remote: string): Promise<CapabilityView | undefined>;
  /** How long an answer counts, milliseconds. */
  readonly keepMs: number;
  /** Tokens whose tenant is known. An eighth as many that are refused, at least 16, are remembered beside them. */
  readonly entriesMax: number;
}

/** Questions on their way; callers whose token is unknown then go by the lane of those whom nobody knows. */
export const askingMax = 64;
/** The lane of callers without a token, with one that is refused, or that could not be asked about. */
export const unknownLane = 'unknown';
/** Refusals that are remembered at least. */
const refusedMin = 16;
/** Remote addresses are spread over this many lines of the unknown lane. */
const remoteLines = 64;
const encoder = new TextEncoder();

interface Learned {
  readonly learnedMs: number;
}

interface Known extends Learned {
  readonly lane: string;
}

/**
 * Whose calls these are, learned from the backends, because the front holds no keys: one question `gateway.whoami` for a token
 * that is new, remembered for `keepMs` by the token's digest, refusals too, in a memory of their own. A token in use is asked about again after
 * half of that, as a call of its own lane, so that strangers who flood the unknown lane do not keep known tenants waiting.
 *
 * A token that is bound to a key works only with a fresh proof for each call, which cannot be used for another question. It goes by the
 * unknown lane until an answer to its own holder's `whoami` has passed through here.
 *
 * Nothing that a caller declares is looked at: no tenant, no priority, no forwarded address.
 */
export class TenantIdentity {
  readonly #ports: IdentityPorts;
  /** Oldest first; bounded by `entriesMax`. */
  readonly #known = new Map<string, Known>();
  /** Oldest first; bounded by `#refusedMax`. Anybody can make up tokens: they push out only each other. */
  readonly #refused = new Map<string, Learned>();
  readonly #refusedMax: number;
  /** Bounded by `askingMax`. */
  readonly #asking = new Map<string, Promise<Known | undefined>>();

  constructor(ports: IdentityPorts) {
    this.#ports = ports;
    this.#refusedMax = Math.max(refusedMin, Math.floor(ports.entriesMax / 8));
  }

  /** Answers that are remembered. */
  get size(): number {
    return this.#known.size + this.#refused.size;
  }

  get asking(): number {
    return this.#asking.size;
  }

  /** A promise only for a token that has to be asked about. Never rejects. */
  callerOf(credential: Credential, remote: string): Caller | Promise<Caller> {
    const stranger = strangerFrom(remote);
    const { token, proof } = credential;
    if (token === undefined) return stranger;
    const digest = this.#digestOf(token);
    const known = this.#fresh(this.#known, digest);
    if (known !== undefined) {
      const caller = { lane: known.lane, line: '' };
      if (proof === undefined && this.#isAging(known)) void this.#ask(digest, token, caller, remote);
      return caller;
    }
    if (proof !== undefined || this.#fresh(this.#refused, digest) !== undefined) return stranger;
    const asked = this.#ask(digest, token, stranger, remote);
    if (asked === undefined) return stranger;
    return asked.then((answer) => (answer === undefined ? stranger : { lane: answer.lane, line: '' }));
  }

  /** A backend answered `whoami` to the holder of this token itself. */
  learn(token: string | Uint8Array, view: CapabilityView): void {
    this.#keep(this.#digestOf(token), laneOf(view));
  }

  #ask(
    digest: string,
    token: string | Uint8Array,
    asker: Caller,
    remote: string,
  ): Promise<Known | undefined> | undefined {
    const asking = this.#asking.get(digest);
    if (asking !== undefined) return asking;
    if (this.#asking.size >= askingMax) return undefined;
    const question = this.#ports
      .whose(token, asker, remote)
      .then((view) => (view === undefined ? this.#refuse(digest) : this.#keep(digest, laneOf(view))), unanswered)
      .finally(() => this.#asking.delete(digest));
    this.#asking.set(digest, question);
    return question;
  }

  #keep(digest: string, lane: string): Known {
    const known = { lane, learnedMs: this.#ports.clock.monotonicMs() };
    this.#refused.delete(digest);
    remember(this.#known, digest, known, this.#ports.entriesMax);
    return known;
  }

  #refuse(digest: string): undefined {
    this.#known.delete(digest);
    remember(this.#refused, digest, { learnedMs: this.#ports.clock.monotonicMs() }, this.#refusedMax);
  }

  #fresh<L extends Learned>(memory: Map<string, L>, digest: string): L | undefined {
    const learned = memory.get(digest);
    if (learned === undefined) return undefined;
    if (this.#ports.clock.monotonicMs() - learned.learnedMs < this.#ports.keepMs) return learned;
    memory.delete(digest);
    return undefined;
  }

  #isAging({ learnedMs }: Learned): boolean {
    return (this.#ports.clock.monotonicMs() - learnedMs) * 2 >= this.#ports.keepMs;
  }

  #digestOf(token: string | Uint8Array): string {
    return addressFromHash(this.#ports.work.blake3(typeof token === 'string' ? encoder.encode(token) : token));
  }
}

/** The newest is the last; the oldest goes when there are too many. */
function remember<L>(memory: Map<string, L>, digest: string, learned: L, most: number): void {
  memory.delete(digest);
  memory.set(digest, learned);
  if (memory.size > most) memory.delete(memory.keys().next().value!);
}

/** By tenant; who is bound to none, by subject. Weaker forms of a capability keep both. */
function laneOf({ tenant, subject }: CapabilityView): string {
  return tenant === '' ? `subject ${subject}` : `tenant ${tenant}`;
}

/** Those whom nobody knows share one lane, in which addresses have turns of their own. */
function strangerFrom(remote: string): Caller {
  let hash = 0x811c9dc5;
  for (let at = 0; at < remote.length; at += 1) hash = Math.imul(hash ^ remote.charCodeAt(at), 0x01000193);
  return { lane: unknownLane, line: String((hash >>> 0) % remoteLines) };
}

/** Nobody could be asked: the next call tries again. */
function unanswered(): undefined {
  return undefined;
}
