import { errorCode, withDeadline } from '@ron/kernel';
import type { DhtKey, ProviderRecord } from '@ron/proto/dht';
import { RonError } from '@ron/proto/errors';
import type { NodeId } from '@ron/proto/network';
import type { DhtNode } from './dht-node.ts';
import { randomWithin, sharedBits, withFlippedBit } from './distance.ts';
import type { LookupOutcome } from './lookup.ts';
import type { Candidate } from './lookup-path.ts';

export interface SearchResult {
  /** Signatures hold, none has expired, and who asked had nothing against them. */
  readonly records: readonly ProviderRecord[];
  /** Requests from this node to the one that gave the first record; 0: it was here. */
  readonly hops: number;
  readonly asked: number;
  /** Milliseconds until the first record; of an empty result, until the end. */
  readonly firstMs: number;
  readonly tookMs: number;
}

export type Answer = { readonly records: readonly ProviderRecord[]; readonly contacts: LookupOutcome['heard'] };

/** Providers that one search takes in, and challenges. */
const providersMax = 64;
/** Nodes in a row that had records and no new provider among them, after which there is nothing more to expect. */
const agreeingMax = 3;

/** Whether a record is taken, which holds by itself; a `RonError` is a no. */
export type MayTrust = (record: ProviderRecord) => boolean | Promise<boolean>;

/** Told how a search goes. */
export interface SearchWatch {
  asked(candidate: Candidate, answer: Promise<Answer>): void;
  /** `trusted`: what the challenge came to; undefined: there is none. */
  found(record: ProviderRecord, from: Candidate | undefined, trusted: boolean | undefined): void;
}

/** Collects the providers of a key from what nodes answer. */
class Search {
  readonly #node: DhtNode;
  readonly #key: DhtKey;
  readonly #want: number;
  readonly #mayTrust: MayTrust | undefined;
  readonly #watch: SearchWatch | undefined;
  readonly #seen = new Set<NodeId>();
  readonly #judging = new Set<Promise<boolean>>();
  readonly records: ProviderRecord[] = [];
  readonly #beganMs: number;
  hops = 0;
  asked = 0;
  firstMs: number | undefined;
  #agreeing = 0;

  constructor(
    node: DhtNode,
    key: DhtKey,
    want: number,
    mayTrust: MayTrust | undefined,
    watch: SearchWatch | undefined,
  ) {
    this.#node = node;
    this.#key = key;
    this.#want = Math.min(want, providersMax);
    this.#mayTrust = mayTrust;
    this.#watch = watch;
    this.#beganMs = node.ports.clock.monotonicMs();
  }

  get enough(): boolean {
    return this.records.length >= this.#want || (this.records.length > 0 && this.#agreeing >= agreeingMax);
  }

  async along(paths: readonly DhtKey[], regionBits: number): Promise<void> {
    const { ports, rules } = this.#node;
    const outcome = await this.#node.lookup<Answer>(
      {
        paths,
        regionBits,
        query: (peer, toward, timeoutMs, candidate) => {
          const answer = this.#node.asking(peer, (asker) =>
            ports.ask(peer, 'find_providers', { key: this.#key, toward, asker }, timeoutMs),
          );
          this.#watch?.asked(candidate, answer);
          return answer;
        },
        found: ({ records }, from) => this.take(records, from),
      },
      rules.table.k,
    );
    this.asked += outcome.asked;
    // What was being judged when the last node answered.
    if (this.records.length === 0) await this.#judged();
  }

  /** True when there is enough, at once where nothing has to be waited for. */
  take(records: readonly ProviderRecord[], from: Candidate | undefined): boolean | Promise<boolean> {
    const fresh = records.filter((record) => this.#holds(record, from));
    if (records.length > 0 && fresh.length === 0) this.#agreeing++;
    else if (fresh.length > 0) this.#agreeing = 0;
    if (this.#mayTrust === undefined) {
      for (const record of fresh) this.#accept(record, from, undefined);
      return this.enough;
    }
    const judged = Promise.all(
      fresh.map(async (record) => {
        if (await this.#trusts(record)) this.#accept(record, from, true);
        else this.#watch?.found(record, from, false);
      }),
    ).then(() => this.enough);
    this.#judging.add(judged);
    return judged.finally(() => this.#judging.delete(judged));
  }

  result(): SearchResult {
    const tookMs = this.#node.ports.clock.monotonicMs() - this.#beganMs;
    const { records, hops, asked, firstMs = tookMs } = this;
    return { records, hops, asked, firstMs, tookMs };
  }

  async #trusts(record: ProviderRecord): Promise<boolean> {
    try {
      return (await this.#mayTrust?.(record)) ?? true;
    } catch (error) {
      // A provider that cannot be asked, or refuses, has not passed.
      if (error instanceof RonError) return false;
      throw error;
    }
  }

  /** Until what is being judged is judged, as long as a lookup may take. */
  async #judged(): Promise<void> {
    const { ports, rules } = this.#node;
    try {
      await withDeadline(ports.clock, Promise.all(this.#judging), rules.lookupTimeoutMs, 'judging providers');
    } catch (error) {
      if (errorCode(error) !== 'ETIMEDOUT') throw error;
    }
  }

  #holds(record: ProviderRecord, from: Candidate | undefined): boolean {
    const { id } = record.provider;
    if (this.#seen.has(id) || this.#seen.size >= providersMax || this.#node.isBanned(id)) return false;
    const refusal = record.key === this.#key ? this.#node.check(record, this.#node.ports.clock.wallMs()) : 'unsigned';
    if (refusal === undefined) this.#seen.add(id);
    // Anything else may be a clock that is off.
    else if (refusal === 'unsigned' && from !== undefined) this.#node.ports.onForged?.(from.contact.id);
    return refusal === undefined;
  }

  #accept(record: ProviderRecord, from: Candidate | undefined, trusted: true | undefined): void {
    if (this.records.length >= providersMax) return;
    this.#watch?.found(record, from, trusted);
    if (this.firstMs === undefined) {
      this.firstMs = this.#node.ports.clock.monotonicMs() - this.#beganMs;
      this.hops = from?.depth ?? 0;
    }
    this.records.push(record);
  }
}

/**
 * Who says that it has what the key stands for. Its records are on all nodes of the key's region, so the search need not get to the
 * nearest ones: one path goes towards the key, the others towards random points of the region, where nobody who sits beside the key
 * can wait for them. What was found by the end of its time is the result, also if that is nothing.
 */
export async function findProviders(
  node: DhtNode,
  key: DhtKey,
  want: number,
  mayTrust?: MayTrust,
  watch?: SearchWatch,
): Promise<SearchResult> {
  const search = new Search(node, key, want, mayTrust, watch);
  const { regionBits, rules } = node;
  await search.take(node.store.recordsOf(key), undefined);
  if (search.enough) return search.result();
  const inRegion = regionBits < 256;
  const others = inRegion ? rules.paths - 1 : 0;
  const elsewhere = () => randomWithin(key, regionBits, node.ports.random);
  await search.along([key, ...Array.from({ length: others }, elsewhere)], regionBits);
  // The provider may have thought the network larger or smaller: once more, through both neighbouring sizes.
  if (search.records.length === 0 && inRegion) {
    const points = [withFlippedBit(key, regionBits), withFlippedBit(key, regionBits + 1)];
    await search.along(
      points.map((point) => randomWithin(point, regionBits + 2, node.ports.random)),
      regionBits,
    );
  }
  return search.result();
}

/** Whether this node is one of those that keep a key, with a bit to spare for other opinions of the network's size. */
export function isNear(node: DhtNode, key: DhtKey): boolean {
  const { regionBits } = node;
  return regionBits === 256 || sharedBits(node.id, key) >= regionBits - 2;
}
