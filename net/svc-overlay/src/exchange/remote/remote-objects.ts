import { createOutboardVerifier, groupCount, outboardSize, VerificationError } from '@ron/b3';
import { type Clock, sleep } from '@ron/kernel';
import { hashFromAddress, parseAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { FetchLimits } from '../fetch/fetch-limits.ts';
import { fetchLimitsDefault } from '../fetch/fetch-limits.ts';
import { type FetchOptions, fetchObject, type Transfer } from '../fetch/fetch-object.ts';
import type { Evidence, PositionalSink } from '../fetch/fetch-ports.ts';
import { firstOf } from '../fetch/first-of.ts';
import { OrderedRead } from '../fetch/ordered-read.ts';
import { following, orAborted, untilAborted } from '../fetch/slice-stream.ts';
import { SourcePool } from '../fetch/source-pool.ts';
import type { NodePeers } from './exchange-peers.ts';

export interface RemoteObjectsPorts {
  readonly clock: Clock;
  readonly peers: NodePeers;
  /** Who comes into question at once, the best first, as the peers name them. */
  readonly near: (address: string) => readonly string[];
  /** Who says that it has the object. */
  readonly find: (address: string, signal: AbortSignal) => Promise<readonly string[]>;
  /** Called once in a transfer for each source whose bytes did not verify. */
  readonly onLiar: (node: string, evidence: Evidence) => void;
  /** As in `FetchOptions`. */
  readonly onRun: (node: string, bytes: number, durationMs: number) => void;
  readonly limits?: Partial<FetchLimits>;
}

/** Somebody waits for what is read: who is silent is given up sooner than in a transfer in the background. */
const readLimits: Partial<FetchLimits> = { answerMs: 4_000, faultsMax: 3, progressMs: 20_000 };

/** For a proof of possession: longer than a question and an answer take anywhere. */
const proofMs = 2_000;

export interface ObjectEnd {
  readonly size: number;
  /** Bytes of the last group, which prove the size. */
  readonly lastGroup: Uint8Array;
}

/** Objects of other nodes, from several of them at once. All that comes out is verified against the address, the size included. */
export class RemoteObjects {
  readonly #ports: RemoteObjectsPorts;

  constructor(ports: RemoteObjectsPorts) {
    this.#ports = ports;
  }

  /**
   * Whether a node has some of the object; one that is not trusted proves it. Rejects with a `RonError` when it cannot be asked
   * within two seconds.
   */
  async has(node: string, address: string): Promise<boolean> {
    const { clock, peers } = this.#ports;
    const asking = new AbortController();
    const late = new RonError('deadline_exceeded', 'the node did not answer in time');
    const timer = clock.after(proofMs, () => asking.abort(late));
    try {
      return (await orAborted(peers.have(node, address, 0, asking.signal), asking.signal)) !== undefined;
    } finally {
      timer.cancel();
    }
  }

  /** Rejects as `Transfer.done` does. */
  async end(address: string, signal: AbortSignal): Promise<ObjectEnd> {
    let lastGroup: Uint8Array = new Uint8Array(0);
    const sink = {
      write: (_offset: number, bytes: Uint8Array) => {
        lastGroup = new Uint8Array(bytes);
      },
    };
    const { size } = await this.fetch(address, sink, { range: { first: 0, count: 0 }, limits: this.#limits, signal })
      .done;
    return { size, lastGroup };
  }

  /**
   * The parents above the groups, with a header, of an object whose size is proven. Rejects as `Transfer.done` does, with
   * `deadline_exceeded` after as long as a group may take.
   */
  async outboard(address: string, size: number, signal: AbortSignal): Promise<Uint8Array> {
    const { clock, peers } = this.#ports;
    const limits = { ...fetchLimitsDefault, ...this.#limits };
    using stop = following(signal);
    const own = stop.controller;
    const pool = new SourcePool({
      ...this.#common(address),
      limits,
      signal: own.signal,
      firstMissing: () => 0,
      onChange: () => undefined,
      onFailure: (error) => own.abort(error),
    });
    const late = new RonError('deadline_exceeded', 'no node sent the outboard in time');
    const timer = clock.after(limits.groupMs, () => own.abort(late));
    try {
      for (const node of this.#ports.near(address)) pool.add(node);
      return await firstOf({ address, clock, pool, limits, signal: own.signal }, async (node, asking) => {
        const body = await pool.answerOf((each) => peers.outboard(node, address, each), asking);
        return await readOutboard(body, { address, size, clock, signal: asking.signal });
      });
    } finally {
      timer.cancel();
      own.abort(new Error('the outboard is here'));
    }
  }

  /** Groups in their order. `size` is proven. */
  groups(
    address: string,
    size: number,
    range: { readonly first: number; readonly count: number },
    signal: AbortSignal,
  ): ByteStream {
    const sources = this.#ports.near(address);
    return new OrderedRead({ ...this.#common(address), sources, size, range, signal, limits: this.#limits });
  }

  /** The object, or what of it is wanted, in any order. */
  fetch(
    address: string,
    sink: PositionalSink,
    options: Pick<FetchOptions, 'range' | 'resume' | 'limits' | 'signal'> & { readonly sources?: readonly string[] },
  ): Transfer {
    const { sources = [] } = options;
    const near = this.#ports.near(address);
    return fetchObject({ ...this.#common(address), sink, ...options, sources: [...sources, ...near] });
  }

  get #limits(): Partial<FetchLimits> {
    return { ...readLimits, ...this.#ports.limits };
  }

  #common(address: string) {
    const { clock, peers, find, onLiar, onRun } = this.#ports;
    return { address, clock, peers, onLiar, onRun, findSources: (signal: AbortSignal) => find(address, signal) };
  }
}

/** Groups of an object of 1 GiB, whose parents are checked at once, some 10 ms; then others have their turn. */
const atOnceGroups = 16_384;

async function readOutboard(
  body: ByteStream,
  { address, size, clock, signal }: { address: string; size: number; clock: Clock; signal: AbortSignal },
): Promise<Uint8Array> {
  const outboard = Buffer.allocUnsafeSlow(outboardSize(size));
  let bytes = 0;
  for await (const piece of untilAborted(body, signal)) {
    if (bytes + piece.byteLength > outboard.byteLength) {
      throw new VerificationError('trailing', 'the outboard is longer than that of the object');
    }
    outboard.set(piece, bytes);
    bytes += piece.byteLength;
  }
  if (bytes < outboard.byteLength) throw new VerificationError('truncated', 'the outboard ends too early');
  // All that it should be long has come: another size in its header is no interruption.
  if (outboard.readBigUInt64LE(0) !== BigInt(size))
    throw new VerificationError('size', 'the outboard is of another size');
  const verifier = createOutboardVerifier({ root: hashFromAddress(parseAddress(address)), outboard, size });
  for (let first = 0; first < groupCount(size); first += atOnceGroups) {
    if (first > 0) await sleep(clock, 0, signal);
    verifier.verifyParents(first, atOnceGroups);
  }
  return outboard;
}
