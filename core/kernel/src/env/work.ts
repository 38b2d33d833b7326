/** CPU work that has a native or off-loop implementation; inline in simulation. */
export interface Work {
  /** BLAKE3-256 of a piece, inline; meant for at most 1 MiB at once. */
  blake3(bytes: Uint8Array): Uint8Array;
  blake3Stream(): StreamHasher;
  /** zstd with an output bound; throws `payload_too_large` past it and `bad_request` for what is not zstd. */
  inflateZstd(bytes: Uint8Array, outputBytesMax: number): Uint8Array;
  /** The same for each content coding of HTTP; meant for inputs of a MiB, whose output is bounded as well. */
  inflate(coding: ContentCoding, bytes: Uint8Array, outputBytesMax: number): Uint8Array;
}

/** As RFC 9110 (8.4.1), RFC 7932 and RFC 9659 name them. */
export type ContentCoding = 'gzip' | 'br' | 'zstd';

export interface StreamHasher {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}
