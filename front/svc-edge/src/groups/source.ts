import type { ByteStream } from '@ron/proto/stream';

/** Neighbouring groups of an object: `first` to `first + count - 1`. `sizeBytes` is that of the object. */
export interface GroupRun {
  readonly address: string;
  readonly sizeBytes: number;
  readonly first: number;
  readonly count: number;
}

export interface SourceStat {
  /** As the source claims: nothing is believed that does not verify. */
  readonly sizeBytes: number;
  /** Group 0, where the source has it at hand with the size; as unproven as everything else. */
  readonly firstGroup?: Uint8Array;
  /** The last group, likewise: it proves the size, and will be asked for next where it does not come along. */
  readonly lastGroup?: Uint8Array;
}

/**
 * Where groups come from. Unless it `verifies`, nothing that it says is trusted, so it may be anybody. Rejects with `RonError`: `not_found`
 * when it knows no such object, `unavailable` when it cannot answer now. Every call ends when `signal` aborts.
 */
export interface GroupSource {
  /** A label of metrics: a word of the code, never a host. */
  readonly name: string;
  /**
   * It is asked without any name but the reader's own: then its 401, 403 and 429 are meant for the reader and are shown.
   * Otherwise this cache is refused, and no reader can do anything about it.
   */
  readonly asReader?: boolean;
  /**
   * Its code, in this process, has verified each group against the address before it hands it on, with the size that `stat` gave:
   * they are not hashed a second time. For bytes whose way from there leads through no other process.
   */
  readonly verifies?: true;
  /** `wantsFirst`: group 0 will be read next. */
  stat(address: string, wantsFirst: boolean, signal: AbortSignal): Promise<SourceStat>;
  /** With its header; for objects of more than one group only. No more is taken than an object of `sizeBytes` has. */
  outboard(address: string, sizeBytes: number, signal: AbortSignal): Promise<Uint8Array>;
  /** The run's bytes in pieces of any size. Its reader stops after them, whatever follows. */
  groups(run: GroupRun, signal: AbortSignal): Promise<ByteStream>;
}
