import type { ByteStream } from '@ron/proto/stream';

export type BodyState = 'growing' | 'complete' | 'broken';

/** All bytes of a representation, wherever they lie. */
export interface WholeBody {
  readonly state: BodyState;
  /** Bytes that are there. */
  readonly bytes: number;
  /** Of the whole body, as far as it is known by now. */
  readonly total: number | undefined;
  /** Both ends included. */
  read(first?: number, last?: number): ByteStream;
  /** One more entry, or one less, has this body: with none its place can be taken. Absent where nothing needs it. */
  retain?(): void;
  release?(): void;
}
