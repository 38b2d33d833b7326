import type { SimRandom, SimWorld } from '@ron/kernel/sim';
import type { Address } from '@ron/naming';
import type { ErrorCode } from '@ron/proto/errors';
import type { Answer, Ask, Machine, Reply } from './machine.ts';
import { historyMax, trashMs } from './machine.ts';
import { NameModel } from './name-model.ts';
import { type KnownObject, ObjectModel } from './object-model.ts';
import type { Sighting, Sightings } from './sightings.ts';
import { Violation } from './violation.ts';

/** Which faults have been at work: what a client may be told because of them, and until when. */
export interface Weather {
  /** Bits flipped on the disk, ever. */
  flips: number;
  /** Virtual time at which the disk last was full, or still is: Infinity. */
  fullUntilMs: number;
  /** The life of the node in which an I/O error fired last. */
  errorLife: number;
  /** I/O errors that fired, ever: each may cost one object's last good read. */
  errors: number;
  /** Virtual time until which the disk is slow. */
  slowUntilMs: number;
}

/** Budgets are asked for again at most this long after room came back. */
const fullSlackMs = 5_000;

/** Everything that the clients, the nemesis and the auditor of one seed share. */
export class Session {
  readonly world: SimWorld;
  readonly machine: Machine;
  readonly sightings: Sightings;
  readonly objects: ObjectModel;
  readonly names: NameModel;
  readonly weather: Weather = { flips: 0, fullUntilMs: -1e9, errorLife: 0, errors: 0, slowUntilMs: -1 };
  readonly #trace: ((line: string) => void) | undefined;
  /** Clients that wait for the node. */
  #gate = Promise.withResolvers<void>();
  #open = false;
  #busy = 0;
  #turns = 0;
  #awaited: { readonly turns: number; readonly reached: () => void } = {
    turns: Number.POSITIVE_INFINITY,
    reached: () => undefined,
  };
  contents = 0;

  constructor(world: SimWorld, machine: Machine, sightings: Sightings, trace?: (line: string) => void) {
    this.world = world;
    this.machine = machine;
    this.sightings = sightings;
    this.#trace = trace;
    this.objects = new ObjectModel({
      nowMs: () => this.nowMs,
      trashMs,
      onDamage: (object, how) => this.trace(`damage: ${object.address} (${object.bytes.byteLength} bytes) ${how}`),
      damageMax: () => this.weather.flips + this.weather.errors,
    });
    const heldBy = (address: string, use: (object: KnownObject) => void) => {
      const object = this.objects.find(address);
      if (object !== undefined) use(object);
    };
    this.names = new NameModel(historyMax, {
      kept: (name, version, address) => heldBy(address, (object) => this.objects.hold(object, `${name}@${version}`)),
      released: (name, version, address) => heldBy(address, (it) => this.objects.release(it, `${name}@${version}`)),
    });
  }

  get nowMs(): number {
    return this.world.scheduler.nowMs;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.scheduler.after(ms, resolve, 'test'));
  }

  trace(line: string): void {
    this.#trace?.(`${this.nowMs.toFixed(3).padStart(12)} ${line}`);
  }

  saw(what: Sighting, times = 1): void {
    this.sightings.note(what, times);
  }

  /** Clients go on. */
  open(): void {
    this.#open = true;
    this.#gate.resolve();
  }

  /** Clients stop before their next request. */
  shut(): void {
    if (this.#open) this.#gate = Promise.withResolvers();
    this.#open = false;
  }

  /** Until no client waits for an answer. */
  async quiet(): Promise<void> {
    while (this.#busy > 0) await this.sleep(1);
  }

  /** Until the clients began `count` more requests, and one of them is under way. */
  busyFor(count: number): Promise<void> {
    if (this.#turns === Number.POSITIVE_INFINITY) return Promise.resolve();
    return new Promise((reached) => {
      this.#awaited = { turns: this.#turns + count, reached };
    });
  }

  /** Nobody asks any more: who waits for requests need not. */
  endOfTurns(): void {
    this.#turns = Number.POSITIVE_INFINITY;
    this.#awaited.reached();
  }

  /** Counted as a client's, for `quiet`. */
  async turn<T>(work: () => Promise<T>): Promise<T> {
    while (!this.#open) await this.#gate.promise;
    this.#busy += 1;
    this.#turns += 1;
    if (this.#turns >= this.#awaited.turns) this.#awaited.reached();
    try {
      return await work();
    } finally {
      this.#busy -= 1;
    }
  }

  async call(ask: Ask): Promise<Reply> {
    const beganMs = this.nowMs;
    const reply = await this.machine.call(ask);
    const told =
      typeof reply === 'string'
        ? reply
        : `${reply.status} ${reply.code ?? ''} ${reply.body.byteLength} bytes ${ask.target.startsWith('/uploads') ? JSON.stringify(reply.headers) : ''}`;
    this.trace(
      `${ask.method} ${ask.target} ${JSON.stringify(ask.headers ?? {})} [since ${beganMs.toFixed(3)}] ${told}`,
    );
    return reply;
  }

  /** A refusal that neither the request nor a fault explains is a defect. */
  requireExcuse(answer: Answer, what: string, beganMs: number): void {
    if (answer.code === undefined) throw new Violation(`${what}: unexpected status ${answer.status}`);
    this.requireExcuseFor(answer.code, `${what} (${Buffer.from(answer.body).toString().slice(0, 300)})`, beganMs);
  }

  requireExcuseFor(code: ErrorCode, what: string, beganMs: number): void {
    if (!this.#excuses(code, beganMs)) throw new Violation(`${what}: refused with ${code} and no fault explains it`);
  }

  get ioFaulty(): boolean {
    return this.weather.errorLife === this.machine.life;
  }

  #excuses(code: ErrorCode, beganMs: number): boolean {
    const { weather } = this;
    switch (code) {
      case 'insufficient_storage':
        return beganMs <= weather.fullUntilMs + fullSlackMs;
      case 'unavailable':
        return this.ioFaulty || this.machine.names.failed;
      case 'internal':
        return this.ioFaulty;
      case 'integrity':
        return weather.flips > 0 || weather.errors > 0;
      case 'deadline_exceeded':
        return beganMs <= weather.slowUntilMs;
      default:
        return false;
    }
  }
}

export function jsonOf(answer: Answer): Record<string, unknown> {
  return JSON.parse(Buffer.from(answer.body).toString()) as Record<string, unknown>;
}

export function jsonBody(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

export function pick<T>(random: SimRandom, from: readonly T[]): T {
  return from[random.integer(from.length)]!;
}

/** A client: its own random stream, so that what others do does not change what it wants. */
export interface Client {
  readonly session: Session;
  readonly random: SimRandom;
  readonly name: string;
}

export type { Address };
