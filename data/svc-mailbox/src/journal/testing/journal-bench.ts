import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { Value } from 'typebox/value';
import { MailboxConfig } from '../../config.ts';
import type { LeasedMessage, MailboxEngine } from '../../engine/engine.ts';
import type { LeaseRefs, Receive, Send } from '../../state/command.ts';
import { type JournalMailboxesOptions, openJournalMailboxes } from '../journal-mailboxes.ts';

export const folder = 'mailbox';
export const key = { tenant: 't', box: 'b' };
const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A ULID that says which message of the test it is. */
export function idOf(count: number): string {
  let text = '';
  for (let rest = count; text.length < 10; rest = Math.floor(rest / 32)) text = crockford[rest % 32] + text;
  return `01TEST0000000000${text}`;
}

export const hash16 = (text: string) => text.padEnd(16, '.').slice(0, 16);

export interface BenchOptions extends Partial<Omit<JournalMailboxesOptions, 'env' | 'config'>> {
  readonly config?: Partial<MailboxConfig>;
  readonly seed?: number | string;
}

type SendOptions = Partial<Omit<Send, 'key' | 'op'>> & { readonly text?: string; readonly key?: string };

/** The journal engine on a simulated disk that takes no time: what is awaited happens without driving the clock. */
export class JournalBench implements AsyncDisposable {
  readonly options: BenchOptions;
  env: SimEnv;
  engine!: MailboxEngine;
  readonly damage: string[] = [];
  sent = 0;
  #nonce = 1;

  constructor(options: BenchOptions = {}) {
    this.options = options;
    this.env = createSimEnv({ seed: options.seed ?? 1 });
  }

  static async open(options: BenchOptions = {}): Promise<JournalBench> {
    const bench = new JournalBench(options);
    await bench.start();
    return bench;
  }

  get faults() {
    return this.env.machineDisk.faults;
  }

  async start(): Promise<void> {
    const { env } = this;
    const { config, seed: _, ...options } = this.options;
    const settings = { ...Value.Create(MailboxConfig), ...config };
    this.engine = await openJournalMailboxes({
      env,
      folder,
      config: () => settings,
      bytesMax: 2 ** 30,
      segmentBytes: 65_536,
      reserveBytes: 32_768,
      ...options,
      onDamage: (detail) => {
        // The dead may still complain.
        if (env === this.env) this.damage.push(detail);
      },
    });
  }

  async restart(how: 'stop' | 'kill' | 'power cut' = 'stop'): Promise<void> {
    if (how === 'stop') await this.engine[Symbol.asyncDispose]();
    this.env = how === 'power cut' ? this.env.crash() : this.env.kill();
    await this.start();
  }

  pass(ms: number): Promise<void> {
    return this.env.scheduler.runFor(ms);
  }

  command({ text, key: idempotency, ...more }: SendOptions = {}): Send {
    this.sent += 1;
    const id = idOf(this.sent);
    const body = text ?? `body ${id}`;
    return {
      op: 'send',
      ...key,
      id,
      sentWallMs: 1_000 + this.sent,
      content: { body: { kind: 'text', text: body }, headers: undefined },
      sizeBytes: body.length,
      jsonBytes: body.length + 2,
      key: idempotency === undefined ? undefined : { hash: hash16(idempotency), digest: hash16('same') },
      delayMs: 0,
      ttlMs: undefined,
      deadOnExpiry: false,
      group: undefined,
      priority: 4,
      ...more,
    };
  }

  sending(options?: SendOptions) {
    return this.engine.execute(this.command(options));
  }

  async send(options?: SendOptions): Promise<string> {
    const outcome = await this.sending(options);
    if (!outcome.ok) throw new Error(outcome.refusal);
    return outcome.id;
  }

  receive(options: Partial<Receive> = {}): Promise<readonly LeasedMessage[]> {
    this.#nonce += 1_000;
    const nonce = this.#nonce;
    return this.engine.receive({
      op: 'receive',
      ...key,
      max: 10,
      bytesMax: 2 ** 20,
      visibilityMs: 30_000,
      nonce,
      ...options,
    });
  }

  async ids(options?: Partial<Receive>): Promise<string[]> {
    return (await this.receive(options)).map(({ id }) => id);
  }

  ack(leases: LeaseRefs): Promise<readonly boolean[]> {
    return this.engine.execute({ op: 'ack', ...key, leases });
  }

  nack(leases: LeaseRefs, reason: string | undefined = undefined, delayMs = 0): Promise<readonly boolean[]> {
    return this.engine.execute({ op: 'nack', ...key, leases, delayMs, reason });
  }

  remove(id: string): Promise<boolean> {
    return this.engine.execute({ op: 'remove', ...key, id });
  }

  async dead() {
    return (await this.engine.deadLetters(key, undefined, 1_000))?.items ?? [];
  }

  stats() {
    return this.engine.stats(key);
  }

  /** Everything that callers can see of the box, times aside. */
  async look() {
    const { items } = await this.engine.peek(key, { order: 0, id: '' }, 100_000);
    const letters = await this.dead();
    return {
      alive: items.map(({ id, attempt, content, group }) => ({ id, attempt, content, group })),
      dead: letters.map(({ id, cause, attempt, content, history }) => ({ id, cause, attempt, content, history })),
    };
  }

  /** Bytes of records in the log. */
  async logBytes(): Promise<number> {
    let bytes = 0;
    const names = await this.segments();
    for (const [index, name] of names.entries()) {
      // Behind the records of the last one there is space for more.
      if (index < names.length - 1) bytes += (await this.env.disk.stat(`${folder}/${name}`))?.sizeBytes ?? 0;
    }
    return bytes;
  }

  async segments(): Promise<string[]> {
    return (await this.env.disk.list(folder)).filter((name) => name.endsWith('.log')).sort();
  }

  /** Where some text stands on the disk, first place first. */
  async find(text: string): Promise<{ readonly path: string; readonly offsetBytes: number }[]> {
    const places: { path: string; offsetBytes: number }[] = [];
    for (const name of await this.segments()) {
      const path = `${folder}/${name}`;
      await using file = await this.env.disk.open(path, 'read');
      const bytes = Buffer.alloc(await file.size());
      await file.read(bytes, 0);
      for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1))
        places.push({ path, offsetBytes: at });
    }
    return places;
  }

  /** Nothing more can be written, but for what has its space already. */
  fill(): void {
    this.faults.capacityBytes = this.env.machineDisk.usedBytes;
  }

  free(): void {
    this.faults.capacityBytes = Number.POSITIVE_INFINITY;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.env.scheduler.settle(Promise.resolve(this.engine[Symbol.asyncDispose]()));
  }
}
