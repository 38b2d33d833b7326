import type { Clock } from '@ron/kernel';
import { type Name, parseName } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { IndexConfig } from './config.ts';
import type { Head, NameEngine } from './engine.ts';
import type { Lookup } from './lookup.ts';
import { NameQueue } from './name-queue.ts';
import { isLive, type NameRecord, type RecordSigner, signRecord } from './record.ts';

export interface SetRequest {
  readonly name: string;
  readonly address: string;
  readonly if_version?: number;
  readonly expires_at?: number;
}

/** Times that a change is decided anew which another process came before. */
const triesMax = 8;

/** Changes of names: compare-and-set on the version, sign, keep, tell the lookup. */
export class Writer {
  readonly #engine: NameEngine;
  readonly #lookup: Lookup;
  readonly #signer: RecordSigner;
  readonly #clock: Clock;
  readonly #config: () => Readonly<IndexConfig>;
  readonly #queue = new NameQueue();

  constructor(
    engine: NameEngine,
    lookup: Lookup,
    signer: RecordSigner,
    clock: Clock,
    config: () => Readonly<IndexConfig>,
  ) {
    this.#engine = engine;
    this.#lookup = lookup;
    this.#signer = signer;
    this.#clock = clock;
    this.#config = config;
  }

  async set(request: SetRequest): Promise<NameRecord> {
    const name = parseName(request.name);
    const nowMs = this.#clock.wallMs();
    if (request.expires_at !== undefined && request.expires_at <= nowMs) {
      throw new RonError('bad_request', 'expires_at is in the past', { details: { field: 'expires_at' } });
    }
    return this.#queue.run(name, () => this.#decided(name, (head) => this.#next(name, request, head)));
  }

  async remove(nameText: string, ifVersion: number | undefined): Promise<NameRecord> {
    const name = parseName(nameText);
    return this.#queue.run(name, () =>
      this.#decided(name, async (head) => {
        const live = this.#liveVersion(head);
        if (head === undefined || live === 0) throw new RonError('not_found', 'no such name');
        if (ifVersion !== undefined && ifVersion !== live) throw conflict(live);
        return { record: head.record, removed: true };
      }),
    );
  }

  /** Only another process on the same engine can come between: the queue orders ours. */
  async #decided(name: Name, decide: (head: Head | undefined) => Promise<Head>): Promise<NameRecord> {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const before = await this.#engine.head(name);
      const after = await decide(before);
      if (await this.#change(name, before, after)) return after.record;
    }
    throw conflict(undefined);
  }

  async #next(name: Name, request: SetRequest, head: Head | undefined): Promise<Head> {
    const live = this.#liveVersion(head);
    if (request.if_version !== undefined && request.if_version !== live) throw conflict(live);
    const latest = head?.record;
    const record = await signRecord(
      {
        name,
        address: request.address,
        version: (latest?.version ?? 0) + 1,
        prev: latest?.address ?? null,
        updated_at: this.#clock.wallMs(),
        owner: this.#signer.owner,
        ...(request.expires_at === undefined ? {} : { expires_at: request.expires_at }),
      },
      this.#signer,
    );
    return { record, removed: false };
  }

  /** The version that a caller can see: 0 for a name that is not there, was removed, or has expired. */
  #liveVersion(head: Head | undefined): number {
    return head !== undefined && isLive(head, this.#clock.wallMs()) ? head.record.version : 0;
  }

  /** False: another change came first. */
  async #change(name: Name, before: Head | undefined, head: Head): Promise<boolean> {
    const config = this.#config();
    const outcome = await this.#engine.change({
      expectedVersion: before?.record.version ?? 0,
      expectedRemoved: before?.removed ?? false,
      head,
      versionsMax: config.history_versions_max,
      namesMax: config.names_max,
    });
    if (outcome === 'full')
      throw new RonError('insufficient_storage', `the index holds at most ${config.names_max} names`);
    if (outcome === 'stale') return false;
    this.#lookup.changed(name, head);
    return true;
  }
}

function conflict(version: number | undefined): RonError {
  return new RonError(
    'conflict',
    'the name is at another version',
    version === undefined ? {} : { details: { version } },
  );
}
