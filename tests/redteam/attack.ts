import type { NodeProcess, NodeProcessOptions } from '../support/node-process.ts';
import { ask, type RawReply, type RequestParts } from './raw-http.ts';
import { envelopeOf, payloadMark } from './signs.ts';

export const areas = ['http', 'http2', 'oap', 'kernel', 'storage', 'front', 'edge'] as const;
export type Area = (typeof areas)[number];

/** What an attack may cost. Everything is measured against the same process before it. */
export interface Tolerance {
  /** p99 of the good client during the attack, as a multiple of before; default 6. */
  readonly slowdownMax?: number;
  /** Bytes of heap and buffers that may stay, because the attack stored them; default 16 MiB. */
  readonly heapBytesMax?: number;
  /** Resident bytes that may stay: allocators give memory back late; default 160 MiB. */
  readonly residentBytesMax?: number;
  /** The longest turn of the event loop; not judged by default. */
  readonly turnMsMax?: number;
  /** Descriptors that may stay: connections of a pool that grew by its rules; default 0. */
  readonly descriptorsMax?: number;
  /** Share of the good client's reads that may be refused with a time to come back; default 0.2. */
  readonly shedShareMax?: number;
  /** Within which everything must be back, counted and in the log; default 30 s. */
  readonly recoveryMs?: number;
  /** Answers of the good client before the attack that its percentile is made of; default 150. */
  readonly asksMin?: number;
}

export const toleranceDefaults = {
  slowdownMax: 6,
  heapBytesMax: 16 * 1_048_576,
  residentBytesMax: 160 * 1_048_576,
  turnMsMax: Number.POSITIVE_INFINITY,
  descriptorsMax: 0,
  shedShareMax: 0.2,
  recoveryMs: 30_000,
  asksMin: 150,
} as const satisfies Tolerance;

/** What something that is attacked needs to be watched: a node, or what stands in front of one. */
export interface Subject {
  readonly process: NodeProcess;
  /** A resource that a good client may read, and its bytes. */
  readonly path: string;
  readonly content: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Where it shows what it counts; undefined: it counts nothing that could be seen. */
  readonly countsPort: number | undefined;
  /** What it stands in front of. */
  readonly behind?: readonly Behind[];
  /** False: its refusals have no corr_id of their own, and it writes no log. */
  readonly logs: boolean;
}

/** One of those that a front asks: a node, or an origin of this process. */
export interface Behind extends AsyncDisposable {
  readonly port: number;
  /** How often each `METHOD path host` was asked of an origin. */
  readonly asked?: ReadonlyMap<string, number>;
  readonly process?: NodeProcess;
}

/** How the subject is made. Attacks with an equal setting share one process. */
export interface Setting {
  readonly kind: 'micronode' | 'misbehaving' | 'edge' | 'omnigate' | 'omnigate-tls';
  /** Sets attacks apart that must not share a process. */
  readonly name?: string;
  readonly options?: NodeProcessOptions;
}

interface Common {
  readonly name: string;
  readonly area: Area;
  /** The defence, as the table prints it. */
  readonly expected: string;
  /** Of the subset that takes a minute and a half in all. */
  readonly quick: boolean;
}

/** Against a process that a good client uses meanwhile: everything of the oracle is judged. */
export interface ServedAttack extends Common {
  readonly setting: Setting;
  readonly tolerance?: Tolerance;
  run(target: Target): Promise<void>;
}

/** Against a start, a stop, a folder, or a part that runs alone: judged by what it checks itself. */
export interface LoneAttack extends Common {
  readonly setting: 'alone';
  run(evidence: Evidence): Promise<void>;
}

export type Attack = ServedAttack | LoneAttack;

export interface Expected {
  readonly status: number;
  readonly code: string;
  /** `reason` or `code` of the counter that must have gone up; the code by default. */
  readonly counted?: string;
}

/** How often each outcome came, for the table: `200 × 5, 503 × 2`. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(what: string | number): void {
    this.#counts.set(String(what), this.of(what) + 1);
  }

  of(what: string | number): number {
    return this.#counts.get(String(what)) ?? 0;
  }

  get lines(): readonly string[] {
    return [...this.#counts].map(([what, count]) => (count === 1 ? what : `${what} × ${count}`));
  }

  toString(): string {
    return this.lines.join(', ');
  }
}

/** What makes two equal things differ: numbers of requests, and where their bytes are. */
export function withoutIds(text: string): string {
  return text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID').replaceAll(/\b[0-9a-f]{64}\b/g, 'ADDRESS');
}

/** What an attack saw. */
export class Evidence {
  readonly #wrong = new Tally();
  readonly #said: string[] = [];
  readonly #counted = new Set<string>();
  readonly #corrIds: string[] = [];
  /** Refusals that were asked for, by code, and those of them that were given and not put off for want of capacity. */
  readonly #wanted = new Set<string>();
  readonly #given = new Set<string>();

  /** Goes into the table. */
  saw(text: string): void {
    this.#said.push(text);
  }

  check(holds: boolean, otherwise: string): void {
    // The same from a thousand requests is one finding.
    if (!holds) this.#wrong.add(withoutIds(otherwise));
  }

  /** A counter with this reason or code must have gone up. */
  counted(label: string): void {
    this.#counted.add(label);
  }

  /** A refusal must be of this kind and have the envelope. */
  refused(reply: RawReply, { status, code, counted = code }: Expected): void {
    const text = reply.body.toString();
    // A node that is short of capacity says so before it looks any closer.
    this.#wanted.add(code);
    if (reply.status === 503 && status !== 503 && /"gate":/.test(text)) return;
    this.#given.add(code);
    this.check(reply.status === status, `${reply.status} instead of ${status}: ${text.slice(0, 200)}`);
    this.check(!text.includes(payloadMark), 'the answer repeats the payload');
    this.counted(counted);
    try {
      const envelope = envelopeOf(reply);
      this.check(envelope.code === code, `code ${envelope.code} instead of ${code}`);
      this.check(/^[A-Za-z0-9_-]{8,64}$/.test(envelope.corr_id ?? ''), 'the envelope has no corr_id');
      this.#corrIds.push(envelope.corr_id);
    } catch (error) {
      this.check(false, `no envelope (${(error as Error).message}): ${text.slice(0, 200)}`);
    }
  }

  get wrong(): readonly string[] {
    const never = [...this.#wanted.difference(this.#given)];
    return [...this.#wrong.lines, ...never.map((code) => `every answer that should be ${code} was put off with 503`)];
  }
  get said(): string {
    return this.#said.join(', ');
  }
  get labels(): readonly string[] {
    return [...this.#counted];
  }
  get corrIds(): readonly string[] {
    return this.#corrIds;
  }
}

/** What a served attack is given. */
export class Target extends Evidence {
  readonly subject: Subject;

  constructor(subject: Subject) {
    super();
    this.subject = subject;
  }

  get node(): NodeProcess {
    return this.subject.process;
  }
  get port(): number {
    return this.subject.process.port;
  }
  get auth(): { readonly Authorization: string } {
    return { Authorization: `Bearer ${this.subject.process.capability}` };
  }

  /** A well-formed request of the owner. */
  ask(parts: RequestParts): Promise<RawReply> {
    return ask(this.port, { ...parts, headers: { ...this.auth, ...parts.headers } });
  }
}

/** Keeps `atOnce` of `total` tasks running. */
export async function many(total: number, atOnce: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < total) await task(next++);
    }),
  );
}
