import { type Clock, createBus, createMetrics, type Timer } from '@ron/kernel';
import { createInlineWork, createLog, createNoDisk, createRealRandom } from '@ron/kernel/real';
import type { Address } from '@ron/naming';
import type { Call, CallContext, Handlers, Principal } from '@ron/proto/contract';
import { isErrorCode, RonError } from '@ron/proto/errors';
import type { storageContract } from '@ron/proto/storage';
import { type ByteStream, ResidentBody } from '@ron/proto/stream';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { StorageConfig } from './config.ts';
import type { BlobEngine } from './engine.ts';
import { createRamEngine } from './ram/engine.ts';
import type { RootPeers } from './reach.ts';
import { type Presence, storage } from './service.ts';

/** Time that passes when a test says so. A delay of 0 is a turn of the event loop and needs no push. */
export class HandClock implements Clock {
  #wallMs = 1_800_000_000_000;
  #monotonicMs = 5_000;
  #timers: { readonly dueMs: number; readonly task: () => void }[] = [];
  readonly #turn: (task: () => void) => void;

  constructor(turn: (task: () => void) => void = queueMicrotask) {
    this.#turn = turn;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, task: () => void): Timer {
    let cancelled = false;
    const run = () => {
      if (!cancelled) task();
    };
    const timer = { dueMs: this.#monotonicMs + delayMs, task: run };
    if (delayMs === 0) this.#turn(run);
    else this.#timers.push(timer);
    return {
      cancel: () => {
        cancelled = true;
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Sets only the wall: what an operator or a time server does. */
  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }

  /** Lets time pass; what was due on the way runs in order, each with its consequences. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    for (;;) {
      await settle();
      const next = this.#timers.reduce<number>(
        (soonest, { dueMs }) => Math.min(soonest, dueMs),
        Number.POSITIVE_INFINITY,
      );
      if (next > endMs) break;
      this.#moveTo(next);
      const due = this.#timers.filter(({ dueMs }) => dueMs <= next);
      this.#timers = this.#timers.filter(({ dueMs }) => dueMs > next);
      for (const { task } of due) task();
    }
    this.#moveTo(endMs);
    await settle();
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

/** Lets chains of promises run out. */
export async function settle(turns = 200): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
}

/** An index peer of one `Map`: it answers `roots` from memory and nothing else. */
export class MapIndex {
  readonly names = new Map<string, Address>();
  pageSize = 1_000;
  /** Thrown instead of an answer. */
  failure: Error | undefined;
  /** Runs before each page is read. */
  beforePage: () => void = () => undefined;

  readonly peer: RootPeers['index'] = {
    roots: async ({ cursor = '' }: { cursor?: string }) => {
      this.beforePage();
      if (this.failure !== undefined) throw this.failure;
      const rest = [...this.names].filter(([name]) => name > cursor).sort(([a], [b]) => (a < b ? -1 : 1));
      const roots = rest.slice(0, this.pageSize).map(([name, address]) => ({ name, address }));
      return rest.length > roots.length ? { roots, cursor: roots.at(-1)!.name } : { roots };
    },
  };
}

/** A mailbox peer that answers `roots` from the addresses of its messages and nothing else. */
export class MapMailbox {
  /** `<box>/<message id>` → the address that the message carries. */
  readonly messages = new Map<string, Address>();
  pageSize = 1_000;
  /** Thrown instead of an answer. */
  failure: Error | undefined;
  /** Runs before each page is read. */
  beforePage: () => void = () => undefined;

  readonly peer: RootPeers['mailbox'] = {
    roots: async ({ cursor = '' }: { cursor?: string }) => {
      this.beforePage();
      if (this.failure !== undefined) throw this.failure;
      const rest = [...this.messages].filter(([key]) => key > cursor).sort(([a], [b]) => (a < b ? -1 : 1));
      const page = rest.slice(0, this.pageSize);
      const roots = page.map(([key, address]) => {
        const [box = '', id = ''] = key.split('/');
        return { box, id, address };
      });
      return rest.length > page.length ? { roots, cursor: page.at(-1)![0] } : { roots };
    },
  };
}

export type StorageSettings = Static<typeof StorageConfig>;

export interface TestBedOptions {
  readonly clock?: HandClock;
  readonly bytesMax?: number;
  readonly config?: Partial<StorageSettings>;
  /** Shared with an earlier bed: what a restart of the service alone finds. */
  readonly blobs?: BlobEngine;
  readonly index?: MapIndex;
  readonly mailbox?: MapMailbox;
}

export type TestBed = Awaited<ReturnType<typeof startStorage>>;

/** The service as a profile would start it: real engine in RAM, time by hand. */
export async function startStorage(options: TestBedOptions = {}) {
  const clock = options.clock ?? new HandClock();
  const work = createInlineWork();
  const corrupt: Address[] = [];
  const events = { onCorrupt: (address: Address) => void corrupt.push(address) };
  const config = { bytesMax: options.bytesMax ?? 64 * 1_048_576 };
  const blobs = options.blobs ?? createRamEngine({ env: { clock, work }, config, events });
  const index = options.index ?? new MapIndex();
  const mailbox = options.mailbox ?? new MapMailbox();
  const settings = { ...(Value.Default(StorageConfig, {}) as StorageSettings), ...options.config };
  /** What a network would be told: `+` before an address that is here, `-` before one that is no longer. */
  const told: string[] = [];
  const presence: Presence = {
    onStored: (address) => void told.push(`+${address}`),
    onRemoved: (address) => void told.push(`-${address}`),
  };
  const metrics = createMetrics();
  const stop = new AbortController();
  const ports = {
    config: { current: () => settings, onChange: () => ({ [Symbol.dispose]: () => undefined }) },
    peers: { index: index.peer, mailbox: mailbox.peer },
    engines: { blobs, presence },
    bus: createBus(),
    metrics,
    log: createLog({ level: 'silent' }),
    env: { clock, work, random: createRealRandom(), disk: createNoDisk(), net: undefined },
    signal: stop.signal,
  };
  const running = await storage.start(ports as never);
  return {
    clock,
    blobs,
    index,
    mailbox,
    settings,
    metrics,
    corrupt,
    told,
    stop,
    running,
    handlers: running.handlers as unknown as Handlers<typeof storageContract>,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

const everything: Principal = { subject: 'test', capabilityId: 'test', tenant: '', limits: {}, allows: () => true };

export interface CallOptions {
  readonly body?: ByteStream | Uint8Array;
  readonly bodyBytes?: number;
  readonly tenant?: string;
  readonly signal?: AbortSignal;
}

export function call({ body, bodyBytes, tenant = '', signal }: CallOptions = {}): Call {
  const context: CallContext = {
    corrId: 'test-call',
    traceparent: undefined,
    tenant,
    principal: everything,
    deadlineMs: Number.POSITIVE_INFINITY,
    signal: signal ?? new AbortController().signal,
    idempotencyKey: undefined,
  };
  const stream = body instanceof Uint8Array ? new ResidentBody(body) : body;
  return { context, body: stream ?? new ResidentBody(new Uint8Array(0)), bodyBytes };
}

/** A body in pieces of the given size, which breaks off with `request_timeout` after `breakAfter` bytes. */
export async function* pieces(bytes: Uint8Array, size: number, breakAfter = Number.POSITIVE_INFINITY) {
  for (let at = 0; at < bytes.byteLength; at += size) {
    if (at >= breakAfter) throw new RonError('request_timeout', 'the client left');
    yield bytes.subarray(at, Math.min(at + size, bytes.byteLength));
  }
  if (breakAfter <= bytes.byteLength) throw new RonError('request_timeout', 'the client left');
}

export async function bytesOf(body: ByteStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

/** Bytes that repeat nowhere near a group, so that swapped or shifted groups show. */
export function sample(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

/** The code with which a call was refused; fails when it was not. */
export async function refusal(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof RonError && isErrorCode(error.code)) return error.code;
    throw error;
  }
  throw new Error('nothing was refused');
}
