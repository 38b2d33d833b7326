import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import type { MailboxEngine } from '@ron/svc-mailbox/service';
import type { CommandOf, LeasedMessage, ReceiveCommand, SendCommand, SettleOp } from './mailbox-model.ts';

/** The `[mailbox]` table, small where a limit is to be met, and the budget of bytes that a profile gives. */
export const defaultSettings = {
  visibility_default_ms: 30_000,
  attempts_max: 5,
  retention_ms: 604_800_000,
  dead_retention_ms: 1_209_600_000,
  idempotency_window_ms: 86_400_000,
  idempotency_keys_max: 1_000,
  tenant_messages_max: 1_000,
  tenant_bytes_max: 10_000_000,
  tenant_boxes_max: 100,
  messages_max: 2_000,
  boxes_max: 200,
  waiters_max: 100,
  bytes_max: 20_000_000,
};
export type MailboxSettings = typeof defaultSettings;

/** How the suite gets an engine; a durable one finds on the disk of `env` what the engine before it kept. */
export interface MailboxHarness {
  readonly durable: boolean;
  /** The engine works outside of virtual time: what it was asked is awaited, and time stands still meanwhile. */
  readonly outside?: {
    /** Resolves when nothing that was begun is under way. */
    idle(): Promise<void>;
  };
  open(env: SimEnv, settings: () => MailboxSettings, onDamage: (detail: string) => void): Promise<MailboxEngine>;
}

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A ULID that says which message of the test it is. */
export function messageId(count: number): string {
  let text = '';
  for (let rest = count; text.length < 10; rest = Math.floor(rest / 32)) text = crockford[rest % 32] + text;
  return `01TEST0000000000${text}`;
}

/** Sixteen bytes, as the engine takes hashes. */
export const hash16 = (text: string) => text.padEnd(16, '.').slice(0, 16);

export type SendOutcome =
  | { readonly ok: true; readonly id: string; readonly duplicate: boolean }
  | { readonly ok: false; readonly refusal: string; readonly retryAfterMs?: number };

export type SendOptions = Partial<Omit<SendCommand, 'op' | 'key'>> & {
  readonly key?: string;
  readonly digest?: string;
};

export function sendCommand(count: number, options: SendOptions = {}): SendCommand {
  const { key, digest = 'same', ...more } = options;
  const id = messageId(count);
  return {
    op: 'send',
    tenant: 't',
    box: 'b',
    id,
    sentWallMs: 1_000 + count,
    content: { body: { kind: 'text', text: id }, headers: undefined },
    sizeBytes: 100,
    jsonBytes: 100,
    key: key === undefined ? undefined : { hash: hash16(key), digest: hash16(digest) },
    delayMs: 0,
    ttlMs: undefined,
    deadOnExpiry: false,
    group: undefined,
    priority: 4,
    ...more,
  };
}

/** An engine on virtual time, and short ways to ask it. Whatever is asked happens before the next line. */
export class MailboxBench implements AsyncDisposable {
  readonly harness: MailboxHarness;
  settings: MailboxSettings;
  env: SimEnv;
  engine!: MailboxEngine;
  /** What the engine reported as damaged. */
  readonly damage: string[] = [];
  #sent = 0;
  #nonce = 7;

  constructor(harness: MailboxHarness, settings: Partial<MailboxSettings> = {}, seed: number | string = 1) {
    this.harness = harness;
    this.settings = { ...defaultSettings, ...settings };
    this.env = createSimEnv({ seed });
  }

  static async open(harness: MailboxHarness, settings: Partial<MailboxSettings> = {}): Promise<MailboxBench> {
    const bench = new MailboxBench(harness, settings);
    await bench.start();
    return bench;
  }

  start(): Promise<void> {
    return this.settle(this.starting());
  }

  /** As `start`, for who drives time himself. */
  async starting(): Promise<void> {
    const { env } = this;
    const onDamage = (detail: string) => {
      // The dead may still complain.
      if (env === this.env) this.damage.push(detail);
    };
    const engine = await this.harness.open(env, () => this.settings, onDamage);
    if (env === this.env) this.engine = engine;
  }

  /** Drives virtual time as far as the promise needs it: with a disk that takes no time, not at all. */
  settle<T>(promise: PromiseLike<T>): Promise<T> {
    if (this.harness.outside !== undefined) return Promise.resolve(promise);
    return this.env.scheduler.settle(Promise.resolve(promise));
  }

  async pass(durationMs: number): Promise<void> {
    await this.env.scheduler.runFor(durationMs);
    await this.harness.outside?.idle();
  }

  /** Changes settings from now on. */
  set(settings: Partial<MailboxSettings>): void {
    this.settings = { ...this.settings, ...settings };
  }

  async restart(how: 'stop' | 'kill' | 'power cut'): Promise<void> {
    if (how === 'stop') await this.settle(this.engine[Symbol.asyncDispose]());
    this.env = how === 'power cut' ? this.env.crash() : this.env.kill();
    await this.start();
  }

  sending(options: SendOptions = {}): Promise<SendOutcome> {
    this.#sent += 1;
    return this.settle(this.engine.execute(sendCommand(this.#sent, options)));
  }

  /** The id of a message that was taken as a new one. */
  async send(options: SendOptions = {}): Promise<string> {
    const outcome = await this.sending(options);
    if (!outcome.ok || outcome.duplicate) throw new Error(`not taken: ${JSON.stringify(outcome)}`);
    return outcome.id;
  }

  receive(options: Partial<Omit<ReceiveCommand, 'op'>> = {}): Promise<readonly LeasedMessage[]> {
    this.#nonce += 1_000;
    const nonce = this.#nonce;
    const defaults = { tenant: 't', box: 'b', max: 10, bytesMax: 1_000_000, visibilityMs: 30_000, nonce };
    return this.settle(this.engine.receive({ op: 'receive', ...defaults, ...options }));
  }

  /** The ids of those that are delivered. */
  async ids(options: Partial<Omit<ReceiveCommand, 'op'>> = {}): Promise<string[]> {
    return (await this.receive(options)).map(({ id }) => id);
  }

  /** The one message that is there. */
  async one(options: Partial<Omit<ReceiveCommand, 'op'>> = {}): Promise<LeasedMessage> {
    const delivered = await this.receive({ max: 1, ...options });
    if (delivered[0] === undefined) throw new Error('nothing was delivered');
    return delivered[0];
  }

  end(op: SettleOp, leases: CommandOf<'ack'>['leases'], more: object = {}): Promise<readonly boolean[]> {
    const defaults = { delayMs: undefined, reason: undefined, wallMs: 1, visibilityMs: 30_000 };
    const command = { op, tenant: 't', box: 'b', leases, ...defaults, ...more };
    return this.settle(this.engine.execute(command as CommandOf<'ack'>));
  }

  remove(id: string, box = 'b'): Promise<boolean> {
    return this.settle(this.engine.execute({ op: 'remove', tenant: 't', box, id }));
  }

  move(op: 'redrive' | 'purge', ids?: readonly string[], more: object = {}) {
    return this.settle(this.engine.execute({ op, tenant: 't', box: 'b', ids, max: 1_000, ...more }));
  }

  async dead(limit = 100) {
    return (await this.settle(this.engine.deadLetters({ tenant: 't', box: 'b' }, undefined, limit)))?.items;
  }

  stats(box = 'b') {
    return this.settle(Promise.resolve(this.engine.stats({ tenant: 't', box })));
  }

  /** Delivers and returns without a delay until the message is dead. */
  async exhaust(id: string): Promise<void> {
    for (let tries = 0; tries < this.settings.attempts_max; tries += 1) {
      const lease = (await this.receive({ max: 100 })).find((message) => message.id === id);
      await this.end('nack', [lease], { delayMs: 0, reason: `no ${tries + 1}` });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settle(this.engine[Symbol.asyncDispose]());
  }
}
