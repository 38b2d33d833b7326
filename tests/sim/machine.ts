import { createConfig, type Env, errorCode, type HttpResponse, type Log } from '@ron/kernel';
import type { SimEnv, SimWorld } from '@ron/kernel/sim';
import { createRamKms, type Kms } from '@ron/kms';
import { type Micronode, startMicronode } from '@ron/micronode';
import { micronodeTables } from '@ron/micronode/config';
import { openDiskTrust } from '@ron/micronode/trust-engines';
import type { Peer } from '@ron/proto/contract';
import { type ErrorCode, isErrorCode, RonError } from '@ron/proto/errors';
import { storageContract } from '@ron/proto/storage';
import type { ByteStream } from '@ron/proto/stream';
import { OapLink } from '@ron/service';
import { createRamMailboxes } from '@ron/svc-mailbox/service';
import { openDiskEngine } from '@ron/svc-storage/service';
import type { Canary } from './args.ts';
import { brokenBlobs, brokenEnv, brokenNames } from './canaries.ts';
import { SimulatedLmdb } from './simulated-lmdb.ts';
import { Violation } from './violation.ts';

export const graceMs = 20_000;
export const trashMs = 30_000;
export const historyMax = 6;

const http = { kind: 'tcp', host: '127.0.0.1', port: 9_600 } as const;
const oap = { kind: 'tcp', host: '127.0.0.1', port: 9_601 } as const;

/** Small windows and budgets, so that a run of seconds meets what a node meets in weeks. */
const configText = `
[server]
listen = "127.0.0.1:9600"
oap_listen = "127.0.0.1:9601"
oap_private_plane = true
unsafe = true
drain_ms = 1000
[storage]
grace_ms = ${graceMs}
trash_ms = ${trashMs}
upload_ttl_ms = 600000
scrub_bytes_per_second = 4194304
slice_objects = 8
[index]
history_versions_max = ${historyMax}
`;

export interface Ask {
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | ByteStream;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: HttpResponse['headers'];
  /** All that came, up to the failure when the body broke off. */
  readonly body: Uint8Array;
  /** Of the refusal, or of the failure that broke the body off. */
  readonly code: ErrorCode | undefined;
}

/** `lost`: the node died before it answered. `down`: it was not there to ask. */
export type Reply = Answer | 'lost' | 'down';

/** No call may take longer, however slow the disk. */
const hangMs = 900_000;

/** One machine: its disk and its keys stay, its processes come and go. */
export class Machine {
  readonly world: SimWorld;
  readonly names: SimulatedLmdb;
  env: SimEnv;
  requests = 0;
  /** Objects that the engine reported as corrupt, and other damage. */
  corrupt = 0;
  /** Grows with each process. */
  life = 0;
  readonly #canary: Canary | undefined;
  readonly #log: Log;
  readonly #kms: Kms;
  #node: Micronode | undefined;
  #link: OapLink | undefined;
  #token = '';
  #dead = Promise.withResolvers<'lost'>();
  #wallOffsetMs = 0;

  constructor(world: SimWorld, canary: Canary | undefined, log: Log) {
    this.world = world;
    this.#canary = canary;
    this.#log = log;
    this.env = world.node('node');
    this.names = new SimulatedLmdb(world.random.fork('names'), canary === 'early-names');
    this.#kms = keptKms(createRamKms({ ...this.env, random: world.random.fork('keys') }));
  }

  /** Starts a process; `lost` when it was killed before it was ready. Throws what the start throws. */
  async start(): Promise<'ready' | 'lost'> {
    this.life += 1;
    this.#dead = Promise.withResolvers();
    this.env.clock.jumpWall(this.#wallOffsetMs);
    const started = await this.#orDead(this.#start());
    if (started === 'lost') return 'lost';
    this.#node = started;
    this.#link = new OapLink({ env: this.env, address: oap, capability: () => new TextEncoder().encode(this.#token) });
    this.#token ||= started.authority.mint({
      subject: 'client',
      rights: [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }],
    });
    return 'ready';
  }

  async #start(): Promise<Micronode> {
    const { env } = this;
    const broken: Env = brokenEnv(env, this.#canary);
    const config = createConfig(micronodeTables, { file: { name: 'sim', text: configText } });
    const blobs = await openDiskEngine({
      env: broken,
      folder: 'blobs',
      config: {
        bytesMax: 2 ** 30,
        objectsMax: 10_000,
        reserveBytes: 4_096,
        hotBytesMax: 256 * 1_024,
        hotObjectBytesMax: 32 * 1_024,
        openFilesMax: 8,
        segmentBytes: 512 * 1_024,
        syncEveryBytes: 128 * 1_024,
      },
      events: {
        onCorrupt: (address, detail) => {
          this.corrupt += 1;
          this.#log.warn({ address, detail }, 'corrupt');
        },
      },
    });
    const engines = {
      blobs: brokenBlobs(blobs, this.#canary),
      names: brokenNames(this.names.open(env), this.#canary),
      mailboxes: createRamMailboxes({ env, config: () => config.table('mailbox').current(), bytesMax: 2 ** 24 }),
      trust: await openDiskTrust(broken, config, this.#log, this.#kms),
      onQuarantined: () => new DisposableStack(),
      limitMailboxesBy: () => undefined,
    };
    return startMicronode({ env: broken, config, log: this.#log, engines });
  }

  /** The process or the machine dies now. Whoever waits for it is told `lost`. */
  async crash(kind: 'kill' | 'power cut'): Promise<void> {
    this.#node = undefined;
    this.#link = undefined;
    this.env = kind === 'kill' ? this.env.kill() : this.env.crash();
    this.#dead.resolve('lost');
    await this.names.crash();
  }

  /** As SIGTERM does. */
  async stop(): Promise<void> {
    const node = this.#node;
    this.#node = undefined;
    await this.#link?.[Symbol.asyncDispose]();
    this.#link = undefined;
    await node?.[Symbol.asyncDispose]();
    // What the clients of this process still wait for was cut off.
    this.env = this.env.kill();
    this.#dead.resolve('lost');
    await this.names.crash();
  }

  jumpClock(byMs: number): void {
    this.#wallOffsetMs += byMs;
    this.env.clock.jumpWall(byMs);
  }

  /** The gates that keep the node from being ready; undefined when there are none. */
  async unready(expected: ReadonlySet<string>): Promise<string | undefined> {
    const reply = await this.call({ method: 'GET', target: '/readyz' });
    if (typeof reply === 'string') return reply;
    if (reply.status === 200) return undefined;
    const { gates } = JSON.parse(Buffer.from(reply.body).toString()) as { gates: { gate: string; ok: boolean }[] };
    const red = gates.filter(({ gate, ok }) => !ok && !expected.has(gate));
    return red.length === 0 ? undefined : JSON.stringify(red);
  }

  /** One HTTP request and the whole of its response. */
  async call(ask: Ask): Promise<Reply> {
    if (this.#node === undefined) return 'down';
    this.requests += 1;
    const headers = { authorization: `Bearer ${this.#token}`, ...lengthOf(ask), ...ask.headers };
    const reply = await this.#orDead(
      this.env.net.request(http, { ...ask, headers }).then((response) => this.#read(response)),
      `${ask.method} ${ask.target}`,
    ).catch((error: unknown) => {
      if (errorCode(error) === 'ECONNREFUSED') return 'down' as const;
      throw error;
    });
    if (typeof reply === 'object')
      this.world.scheduler.record(`${reply.status} ${reply.code ?? ''} ${reply.body.byteLength}`);
    return reply;
  }

  /** One call of the storage service over OAP: what HTTP does not offer. */
  async storage<T>(use: (peer: Peer<typeof storageContract>) => Promise<T>): Promise<T | ErrorCode | 'lost' | 'down'> {
    if (this.#link === undefined) return 'down';
    this.requests += 1;
    return this.#orDead(use(this.#link.peer(storageContract)), 'storage over OAP').catch((error: unknown) => {
      if (error instanceof RonError) return error.code;
      throw error;
    });
  }

  async #read({ status, headers, body }: HttpResponse): Promise<Answer> {
    if (body === undefined || body instanceof Uint8Array) {
      const bytes = body ?? new Uint8Array(0);
      return { status, headers, body: bytes, code: status >= 400 ? codeOf(bytes) : undefined };
    }
    const pieces: Uint8Array[] = [];
    let code: ErrorCode | undefined;
    try {
      for await (const piece of body) pieces.push(new Uint8Array(piece));
    } catch (error) {
      if (!(error instanceof RonError)) throw new Violation(`a body broke off with ${String(error)}`, { cause: error });
      code = error.code;
    }
    return { status, headers, body: Buffer.concat(pieces), code };
  }

  #orDead<T>(work: Promise<T>, what = 'start'): Promise<T | 'lost'> {
    return new Promise((resolve, reject) => {
      const timer = this.world.scheduler.after(
        hangMs,
        () => reject(new Violation(`${what}: no answer within ${hangMs} virtual ms`)),
        'hang',
      );
      const done = <V>(settle: (value: V) => void) => {
        return (value: V) => {
          timer.cancel();
          settle(value);
        };
      };
      work.then(done(resolve), done(reject));
      this.#dead.promise.then(done(resolve), done(reject));
    });
  }
}

function lengthOf({ body }: Ask): Record<string, string> {
  if (body === undefined) return {};
  return body instanceof Uint8Array
    ? { 'content-length': String(body.byteLength) }
    : { 'transfer-encoding': 'chunked' };
}

function codeOf(body: Uint8Array): ErrorCode | undefined {
  if (body.byteLength === 0) return undefined;
  const { code, gates } = JSON.parse(Buffer.from(body).toString()) as { code?: unknown; gates?: unknown };
  // The readiness probe answers 503 with its gates.
  if (gates !== undefined) return undefined;
  if (!isErrorCode(code)) throw new Violation(`a refusal without a code of the table: ${String(code)}`);
  return code;
}

/** Stands in for the sealed keystore: keys outlive the processes. */
function keptKms(kms: Kms): Kms {
  return { ...kms, [Symbol.asyncDispose]: async () => undefined };
}
