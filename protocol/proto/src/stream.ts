/** Bytes that pass through: everywhere inside, bodies have this type. Web streams stand only at the SDK's edge. */
export type ByteStream = AsyncIterable<Uint8Array>;

/**
 * A body that is already in memory as one piece. A binding that meets one may answer in a single write
 * instead of iterating (this is most of the throughput of small hot reads).
 */
export class ResidentBody implements ByteStream {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    if (this.bytes.byteLength > 0) yield this.bytes;
  }
}

export const emptyBody: ByteStream = new ResidentBody(new Uint8Array(0));

/**
 * A body whose pieces lie in buffers that are used again. Who is certain that nobody will look at a piece any more, its
 * bytes being copied or with the operating system, may give it back, once. Who does not, or passes pieces on to
 * somebody that may keep them, owes nothing: they are then ordinary memory.
 */
export interface LendingBody extends ByteStream {
  giveBack(piece: Uint8Array): void;
}

/** Undefined when the pieces of this body are their reader's to keep. */
export function lenderOf(body: ByteStream): LendingBody | undefined {
  return typeof (body as Partial<LendingBody>).giveBack === 'function' ? (body as LendingBody) : undefined;
}
