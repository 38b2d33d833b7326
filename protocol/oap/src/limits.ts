/**
 * The one table of limits. Every number is a default of the configuration, and comes from the project's protocol
 * specification (docs/specs/OAP-1.md and its companions). Lengths are bytes, durations are milliseconds.
 */
export const limits = {
  /** OAP: the largest `len` of a frame, `max_frame = 1 MiB`. Negotiated downward only. */
  maxFrameBytes: 1_048_576,
  /** OAP: the smallest `max_frame` a peer may ask for: a START with the largest capability and header still fits. */
  maxFrameFloorBytes: 32_768,
  /** OAP: JSON header inside a payload, and the JSON of HELLO. */
  headerJsonBytesMax: 16_384,
  /** Body of a control call: the DTO as JSON, after inflation. */
  controlBodyBytesMax: 1_048_576,
  /** OAP: inflation of a COMP payload stops at this many times `max_frame`. */
  inflatedFramesMax: 8,
  /** OAP: body bytes that a new stream may send each way before the first grant. */
  streamCreditBytes: 1_048_576,
  /** OAP: body bytes that all streams of a new connection together may send each way before the first grant. */
  connectionCreditBytes: 16_777_216,
  /** OAP: the most credit that may stand open at once; a grant past it is a violation (u32 on the wire). */
  creditBytesMax: 4_294_967_295,
  /** OAP: live streams a connection. */
  streamsPerConnectionMax: 64,
  /** OAP: largest `stream_id`, 2^53 − 1, so that it is exact as a JavaScript number. */
  streamIdMax: 9_007_199_254_740_991,
  /** Bytes accepted for sending and not yet taken by the peer; bodies wait beyond it. */
  unsentBytesMax: 262_144,
  /** OAP: bytes written after the transport said stop; a peer that reads nothing is disconnected past it. */
  unsentBytesHardMax: 4_194_304,
  /** OAP: a connection without live streams and without a byte received for this long is closed. */
  oapIdleMs: 60_000,
  /** From accept to HELLO (or the end of a TLS handshake). */
  handshakeTimeoutMs: 5_000,

  /** Storage streaming chunk and unit of verification, 64 KiB. Another layer than the OAP frame. */
  storageChunkBytes: 65_536,
  /** One object on disk, 5 GiB. In RAM the bound is `objectMemoryShare` of the memory budget. */
  objectBytesMax: 5_368_709_120,
  /** Part of the memory budget that one object may take on the RAM engine (a fraction, 0 to 1). */
  objectMemoryShare: 0.5,

  /** HTTP: request header block. */
  httpHeaderBytesMax: 16_384,
  /** HTTP: request header fields. */
  httpHeaderFieldsMax: 100,
  /** HTTP: from the first byte to the end of the header block. */
  httpHeaderTimeoutMs: 5_000,
  /** HTTP: idle keep-alive. */
  httpKeepAliveMs: 5_000,
  /** A whole control request, on any binding. */
  controlRequestTimeoutMs: 30_000,
  /** Bodies and responses must move at least this fast, bytes per second. */
  progressBytesPerSecondMin: 1_024,

  /** Connections a listener. */
  connectionsMax: 1_024,
  /** Connections a remote address. */
  connectionsPerAddressMax: 64,
  /** Requests in flight a service. */
  requestsInFlightMax: 512,

  /** Decompressed size over compressed size of an HTTP body. */
  decompressionRatioMax: 10,
  /** Decompressed size of an HTTP body, 8 MiB. */
  decompressedBytesMax: 8_388_608,
  /** Nesting of arrays and objects in any JSON from outside. */
  jsonDepthMax: 32,
  /** Members and entries of any JSON from outside: a thousand descriptors fit. That many different keys take some 20 ms. */
  jsonItemsMax: 20_000,

  /** An encoded capability. */
  capabilityBytesMax: 4_096,
  /** Caveats of a capability. */
  capabilityCaveatsMax: 64,
  /** Clock difference allowed when times in tokens and records are judged. */
  clockSkewMs: 60_000,
} as const;

/** The table with other values, as configuration makes it. */
export type Limits = { readonly [K in keyof typeof limits]: number };

/** What one OAP connection reads of the table. */
export type ConnectionLimits = Pick<
  Limits,
  | 'maxFrameBytes'
  | 'streamCreditBytes'
  | 'connectionCreditBytes'
  | 'streamsPerConnectionMax'
  | 'unsentBytesMax'
  | 'unsentBytesHardMax'
  | 'oapIdleMs'
  | 'handshakeTimeoutMs'
  | 'progressBytesPerSecondMin'
>;
