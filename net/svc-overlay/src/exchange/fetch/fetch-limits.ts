/** Bounds of one transfer. Times in milliseconds, on the monotonic clock. */
export interface FetchLimits {
  /** Refused beyond (`payload_too_large`), as soon as the size is proven: 256 GiB need 0.5 MiB for each set of groups. */
  readonly sizeBytesMax: number;
  /** Sources that are asked at a time. */
  readonly sourcesMax: number;
  /** Sources that one transfer ever hears of. */
  readonly candidatesMax: number;
  /** Fewer than these: more are looked for. */
  readonly sourcesWanted: number;
  readonly findEveryMs: number;
  /** Streams open at a time; each holds a piece of its body and at most one group. */
  readonly streamsMax: number;
  readonly streamsPerSourceMax: number;
  /** Groups of one run: 8 MiB. */
  readonly runGroupsMax: number;
  /** A run should take a source this long, so that what it was given can be taken back soon. */
  readonly runMs: number;
  /** A stream without any byte for so long has stalled. */
  readonly stallMs: number;
  /** A group takes at most this long: 64 KiB at 1 KiB/s, the least progress anywhere. */
  readonly groupMs: number;
  /** Groups that may be asked for twice: this share of all, and at least `duplicatesMin`. */
  readonly duplicatesShare: number;
  readonly duplicatesMin: number;
  /** Failures in a row, without a group between them, after which a source is not asked any more. */
  readonly faultsMax: number;
  /** Wait after a failure; doubles with each up to the maximum. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  /** For an answer to HAVE, and until a stream begins. */
  readonly answerMs: number;
  /** For a search for sources: as long as the DHT lets one take. */
  readonly findMs: number;
  /** A partial source that has nothing to offer is asked again after this. */
  readonly refreshMs: number;
  /** Another source is asked for the size as well when the first is silent for this long. */
  readonly hedgeMs: number;
  /** The transfer ends when no new group came for so long; more than `groupMs`, so that the slowest link still counts. */
  readonly progressMs: number;
}

export const fetchLimitsDefault: FetchLimits = {
  sizeBytesMax: 256 * 1024 ** 3,
  sourcesMax: 16,
  candidatesMax: 256,
  sourcesWanted: 4,
  findEveryMs: 5_000,
  streamsMax: 12,
  streamsPerSourceMax: 4,
  runGroupsMax: 128,
  runMs: 500,
  stallMs: 5_000,
  groupMs: 64_000,
  duplicatesShare: 0.02,
  duplicatesMin: 8,
  faultsMax: 5,
  backoffMs: 100,
  backoffMsMax: 10_000,
  answerMs: 5_000,
  findMs: 15_000,
  refreshMs: 2_000,
  hedgeMs: 500,
  progressMs: 120_000,
};
