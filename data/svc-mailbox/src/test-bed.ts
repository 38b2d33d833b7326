import { createBus, createMetrics, type KernelEvent } from '@ron/kernel';
import { createLog } from '@ron/kernel/real';
import { createSimEnv } from '@ron/kernel/sim';
import type { Peer, Principal } from '@ron/proto/contract';
import { isErrorCode, RonError } from '@ron/proto/errors';
import { mailboxContract } from '@ron/proto/mailbox';
import type { ByteStream } from '@ron/proto/stream';
import { bindLocal, hostService, type Incoming, loadCompiler } from '@ron/service';
import { Value } from 'typebox/value';
import { MailboxConfig } from './config.ts';
import type { MailboxEngine } from './engine/engine.ts';
import { createRamMailboxes } from './ram/ram-mailboxes.ts';
import { mailbox } from './service.ts';

export type Mailbox = Peer<typeof mailboxContract>;
type OperationName = keyof typeof mailboxContract.operations;

export interface BedOptions {
  readonly config?: Partial<MailboxConfig>;
  readonly bytesMax?: number;
  readonly waitingMax?: number;
  /** Put around the engine. */
  readonly around?: (inner: MailboxEngine) => MailboxEngine;
}

/** A configuration table that a test changes. */
export class HandConfig {
  #current: Readonly<MailboxConfig>;

  constructor(values: Partial<MailboxConfig>) {
    this.#current = { ...Value.Create(MailboxConfig), ...values };
  }

  current(): Readonly<MailboxConfig> {
    return this.#current;
  }

  set(values: Partial<MailboxConfig>): void {
    this.#current = { ...this.#current, ...values };
  }

  onChange(): Disposable {
    return { [Symbol.dispose]: () => undefined };
  }
}

function principalOf(tenant: string): Principal & { anonymous: false } {
  return {
    subject: `client of ${tenant}`,
    capabilityId: 'test',
    tenant,
    limits: {},
    allows: () => true,
    anonymous: false,
  };
}

/** The whole service behind its pipeline, with mailboxes in RAM, on virtual time. Every DTO goes through JSON. */
export async function startMailboxes(options: BedOptions = {}) {
  // Its import is real I/O, which virtual time does not see.
  await loadCompiler();
  const env = createSimEnv({ seed: 7 });
  const config = new HandConfig(options.config ?? {});
  const metrics = createMetrics();
  const inner = createRamMailboxes({
    env,
    config: () => config.current(),
    bytesMax: options.bytesMax ?? 1_073_741_824,
  });
  const engine = options.around?.(inner) ?? inner;
  const host = {
    env,
    metrics,
    bus: createBus<KernelEvent>(),
    log: createLog({ level: 'silent' }),
    authenticator: { authenticate: () => principalOf('t') },
    ...(options.waitingMax === undefined ? {} : { waitingMax: options.waitingMax }),
  };
  const hosted = await hostService(mailbox, host, { config, peers: {}, engines: { mailboxes: engine } });
  const { dispatcher } = hosted;
  const run = <T>(work: Promise<T>): Promise<T> => env.scheduler.settle(work);
  const peer = (tenant = 't'): Mailbox =>
    bindLocal(mailboxContract, () => dispatcher, principalOf(tenant), env, { roundTrip: true });
  const box = peer();
  return {
    env,
    config,
    metrics,
    engine,
    hosted,
    dispatcher,
    peer,
    /** Of tenant `t`. */
    box,
    run,
    pass: (ms: number) => env.scheduler.runFor(ms),
    /** A call as a binding makes it, which can go away. */
    begin(operation: OperationName, input: unknown, incoming: Partial<Incoming> & { readonly tenant?: string } = {}) {
      const { tenant = 't', ...rest } = incoming;
      const credential = { principal: principalOf(tenant) };
      let leave: () => void = () => undefined;
      const reply = dispatcher.dispatch(
        { operation, input, credential, corrId: 'corr-id-1', remote: 'test', ...rest },
        (context) => {
          leave = () => context.abort(new RonError('request_timeout', 'the caller left'));
        },
      );
      return { reply, leave: () => leave() };
    },
    async send(boxName: string, ...bodies: string[]): Promise<string[]> {
      const ids: string[] = [];
      for (const body of bodies) ids.push((await run(box.send({ box: boxName, body }))).id);
      return ids;
    },
    /** Everything that can be seen of the mailboxes without changing them. */
    everything: async () => ({
      totals: engine.totals(),
      boxes: ['t', 'u'].map((tenant) => engine.boxes(tenant, undefined, 1_000)),
      counters: { ...engine.counters, dead: { ...engine.counters.dead } },
      roots: engine.roots(undefined, 1_000),
    }),
    async [Symbol.asyncDispose]() {
      await run(Promise.resolve(hosted[Symbol.asyncDispose]()));
      await engine[Symbol.asyncDispose]();
    },
  };
}

export type Bed = Awaited<ReturnType<typeof startMailboxes>>;

/** `'accepted'`, or the code of the envelope. */
export async function codeOf(bed: Bed, work: Promise<unknown>): Promise<string> {
  const error = await refusalOf(bed, work);
  return error === undefined ? 'accepted' : error.code;
}

export function refusalOf(bed: Bed, work: Promise<unknown>): Promise<RonError | undefined> {
  return bed.run(
    work.then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof RonError && isErrorCode(error.code)) return error;
        throw error;
      },
    ),
  );
}

export interface SeenEvent {
  readonly id: string;
  readonly data: {
    readonly id: string;
    readonly body: string;
    readonly lease: string;
    readonly attempt: number;
    readonly fence: number;
  };
}

/** Reads server-sent events as they come. */
export class EventReader {
  readonly events: SeenEvent[] = [];
  comments = 0;
  text = '';
  end: 'open' | 'over' | { readonly error: unknown } = 'open';
  readonly #iterator: AsyncIterator<Uint8Array>;

  /** Without `eager`, one piece for each `step`. */
  constructor(body: ByteStream, eager = true) {
    this.#iterator = body[Symbol.asyncIterator]();
    if (eager) void this.#drain();
  }

  get bodies(): string[] {
    return this.events.map(({ data }) => data.body);
  }

  get leases(): string[] {
    return this.events.map(({ data }) => data.lease);
  }

  async step(): Promise<void> {
    try {
      const { done, value } = await this.#iterator.next();
      if (done === true) this.end = 'over';
      else this.#take(new TextDecoder().decode(value));
    } catch (error) {
      this.end = { error };
    }
  }

  /** The client closes its connection. */
  async leave(): Promise<void> {
    this.end = 'over';
    await this.#iterator.return?.();
  }

  async #drain(): Promise<void> {
    while (this.end === 'open') await this.step();
  }

  #take(text: string): void {
    if (this.end !== 'open') return;
    this.text += text;
    const [, id, data] = /^id: ([^\n]+)\nevent: message\ndata: ([^\n]+)\n\n$/.exec(text) ?? [];
    if (id !== undefined && data !== undefined) this.events.push({ id, data: JSON.parse(data) as SeenEvent['data'] });
    else this.comments += 1;
  }
}

export async function subscribe(
  bed: Bed,
  input: { box: string; credit?: number; visibility_ms?: number; max?: number; peek?: boolean; cursor?: string },
  { eager = true, tenant = 't' } = {},
): Promise<EventReader> {
  const { body } = await bed.run(bed.peer(tenant).subscribe(input));
  const reader = new EventReader(body, eager);
  if (eager) await bed.pass(0);
  return reader;
}

/** The same mailboxes, whose messages are on their way until what `held` gives resolves. */
export function slowly(inner: MailboxEngine, held: () => Promise<void>): MailboxEngine {
  return {
    durability: inner.durability,
    get failure() {
      return inner.failure;
    },
    get counters() {
      return inner.counters;
    },
    execute: (command) => inner.execute(command),
    async receive(command) {
      const messages = await inner.receive(command);
      if (messages.length > 0) await held();
      return messages;
    },
    deadLetters: (...given) => inner.deadLetters(...given),
    peek: (...given) => inner.peek(...given),
    stats: (key) => inner.stats(key),
    boxes: (...given) => inner.boxes(...given),
    roots: (...given) => inner.roots(...given),
    recordTime: () => inner.recordTime(),
    totals: () => inner.totals(),
    watch: (...given) => inner.watch(...given),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}
