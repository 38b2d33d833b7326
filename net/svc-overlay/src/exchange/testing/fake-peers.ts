import { encodeSlice, groupBytes, groupCount, groupLength, hashTree, type Tree } from '@ron/b3';
import { type Clock, sleep } from '@ron/kernel';
import { addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { GroupRun, Held } from '@ron/proto/exchange';
import type { ByteStream } from '@ron/proto/stream';
import type { ExchangePeers } from '../fetch/fetch-ports.ts';
import { GroupSet } from '../group-set.ts';

export interface TestObject {
  readonly bytes: Uint8Array;
  readonly tree: Tree;
  readonly address: string;
}

export function testObject(size: number, seed = 1): TestObject {
  const bytes = new Uint8Array(size);
  for (let index = 0, word = seed | 1; index < size; index++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0;
    bytes[index] = word >>> 24;
  }
  const tree = hashTree(bytes);
  return { bytes, tree, address: addressFromHash(tree.root) };
}

/**
 * How a source behaves. Honest: `steady`, and `partial` with some of the groups. Faulty without a lie: `vanishing` after so many
 * bytes, `stalling`, `silent`, `short` (ends early), `empty` (claims all, has nothing), `busy`. Lying: `flip` of a group,
 * `shifted` (another range), `extra` bytes, `header` with another size, `claim` of another size in HAVE.
 */
export type Behaviour =
  | { readonly kind: 'steady' | 'silent' | 'empty' | 'busy' | 'shifted' | 'extra' | 'header' | 'claim' }
  | { readonly kind: 'partial'; readonly groups: readonly number[] }
  | { readonly kind: 'vanishing' | 'stalling' | 'short'; readonly afterBytes: number }
  | { readonly kind: 'flip'; readonly group: 'first' | 'last' | number };

export interface FakeSource {
  readonly behaviour: Behaviour;
  /** Bytes a millisecond, shared by its streams. */
  readonly rate: number;
  readonly latencyMs: number;
}

export const lies: ReadonlySet<string> = new Set(['flip', 'shifted', 'extra', 'header', 'claim']);

/** Bytes of a piece of a body, as a transport would cut it. */
const pieceBytes = 16_384;

/** Nodes `0`, `1` … that serve one object over virtual time. */
export class FakePeers implements ExchangePeers {
  readonly #object: TestObject;
  readonly #sources: readonly FakeSource[];
  readonly #clock: Clock;
  readonly #sentBytes: number[];
  readonly #freeAtMs: number[];
  /** Handed out and not yet asked past: what a reader may hold. */
  lentBytes = 0;
  lentBytesMax = 0;
  wants = 0;

  constructor(object: TestObject, sources: readonly FakeSource[], clock: Clock) {
    this.#object = object;
    this.#sources = sources;
    this.#clock = clock;
    this.#sentBytes = sources.map(() => 0);
    this.#freeAtMs = sources.map(() => 0);
  }

  get nodes(): readonly string[] {
    return this.#sources.map((_, index) => String(index));
  }

  get sentBytes(): number {
    return this.#sentBytes.reduce((sum, bytes) => sum + bytes, 0);
  }

  async have(node: string, address: string, windowFirst: number, signal: AbortSignal): Promise<Held | undefined> {
    const { behaviour, latencyMs } = this.#sources[Number(node)]!;
    await sleep(this.#clock, latencyMs, signal);
    this.#demandAlive(Number(node));
    const size = this.#object.bytes.length;
    if (behaviour.kind === 'claim') return { address, size: size + 1, complete: true };
    if (behaviour.kind !== 'partial') return { address, size, complete: true };
    const window = new GroupSet(groupCount(size) - windowFirst);
    for (const group of behaviour.groups) if (group >= windowFirst) window.add(group - windowFirst);
    return { address, size, complete: false, groups: Buffer.from(window.toBytes()).toString('base64url') };
  }

  async want(node: string, _address: string, [run]: readonly GroupRun[], signal: AbortSignal): Promise<ByteStream> {
    const index = Number(node);
    const { behaviour, latencyMs } = this.#sources[index]!;
    this.wants += 1;
    await sleep(this.#clock, latencyMs, signal);
    this.#demandAlive(index);
    if (behaviour.kind === 'silent') await sleep(this.#clock, 1_000_000_000, signal);
    if (behaviour.kind === 'empty') throw new RonError('not_found', 'not here any more');
    if (behaviour.kind === 'busy') throw new RonError('quota_exhausted', 'later', { retryAfterMs: 300 });
    return this.#body(index, run!, signal);
  }

  #demandAlive(index: number): void {
    const { behaviour } = this.#sources[index]!;
    if (behaviour.kind === 'vanishing' && this.#sentBytes[index]! >= behaviour.afterBytes) {
      throw new RonError('unavailable', 'the node is gone');
    }
  }

  async *#body(index: number, run: GroupRun, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const { behaviour, rate } = this.#sources[index]!;
    for await (const piece of this.#slice(index, run)) {
      const nowMs = this.#clock.monotonicMs();
      const startMs = Math.max(nowMs, this.#freeAtMs[index]!);
      this.#freeAtMs[index] = startMs + piece.length / rate;
      await sleep(this.#clock, this.#freeAtMs[index]! - nowMs, signal);
      this.#demandAlive(index);
      const sent = this.#sentBytes[index]!;
      if (behaviour.kind === 'stalling' && sent >= behaviour.afterBytes)
        await sleep(this.#clock, 1_000_000_000, signal);
      if (behaviour.kind === 'short' && sent >= behaviour.afterBytes) return;
      this.#sentBytes[index] = sent + piece.length;
      this.lentBytes += piece.length;
      this.lentBytesMax = Math.max(this.lentBytesMax, this.lentBytes);
      try {
        yield piece;
      } finally {
        this.lentBytes -= piece.length;
      }
    }
  }

  async *#slice(index: number, run: GroupRun): AsyncGenerator<Uint8Array, void, undefined> {
    const { behaviour } = this.#sources[index]!;
    const { bytes, tree } = this.#object;
    const last = groupCount(bytes.length) - 1;
    const first = behaviour.kind === 'shifted' ? Math.min(run.first, last) - 1 : run.first;
    const slice: Uint8Array[] = [];
    const shifted = first < 0 ? last : first;
    if (behaviour.kind === 'partial' && !behaviour.groups.includes(Math.min(shifted, last))) {
      throw new RonError('not_found', 'not this group');
    }
    const readGroup = (group: number) => this.#group(behaviour, group, last);
    const range = { start: shifted * groupBytes(), length: run.count * groupBytes() };
    for await (const part of encodeSlice({ outboard: tree.outboard, size: bytes.length, ...range, readGroup })) {
      slice.push(part.slice());
    }
    if (behaviour.kind === 'extra') slice.push(new Uint8Array(10));
    const all = Buffer.concat(slice);
    if (behaviour.kind === 'header') all[0]! ^= 1;
    for (let at = 0; at < all.length; at += pieceBytes) yield all.subarray(at, at + pieceBytes);
  }

  #group(behaviour: Behaviour, group: number, last: number): Uint8Array {
    const start = group * groupBytes();
    const bytes = this.#object.bytes.slice(start, start + groupLength(this.#object.bytes.length, group));
    if (behaviour.kind !== 'flip' || bytes.length === 0) return bytes;
    const bad = behaviour.group === 'first' ? 0 : behaviour.group === 'last' ? last : Math.min(behaviour.group, last);
    if (group === bad) bytes[bytes.length - 1]! ^= 1;
    return bytes;
  }
}
