import type { PackedHistogram } from './histogram.ts';
import type { ArrivalKind, Phase } from './schedule.ts';

/** What one kind of request says. Plain data: it goes to the generator's process. */
export type RequestKind =
  | {
      readonly name: string;
      readonly share: number;
      readonly kind: 'get';
      /** Popular first: drawn after Zipf's law. */
      readonly targets: readonly string[];
      /** Bytes of each answer; another length is a failure. Absent: not checked. */
      readonly bytes?: number;
    }
  | {
      readonly name: string;
      readonly share: number;
      /** A body that nobody has sent before. */
      readonly kind: 'put';
      readonly method: 'PUT' | 'POST';
      readonly target: string;
      readonly bytes: number;
    }
  | {
      readonly name: string;
      readonly share: number;
      readonly kind: 'json';
      readonly method: 'PUT' | 'POST' | 'DELETE';
      readonly targets: readonly string[];
      readonly body: unknown;
    }
  | {
      readonly name: string;
      readonly share: number;
      /** Receives messages, and acknowledges them on the same connection when some came. */
      readonly kind: 'recv';
      readonly boxes: readonly string[];
      readonly max: number;
    };

/** Requests of one tenant. */
export interface Lane {
  readonly name: string;
  readonly capability: string;
  readonly requests: readonly RequestKind[];
  readonly phases: readonly Phase[];
  readonly arrivals: ArrivalKind;
}

export interface LoadPlan {
  readonly host: string;
  readonly port: number;
  readonly lanes: readonly Lane[];
  readonly seed: number;
  /** Of all lanes together, an even share for each. A node refuses more than this bound; an arrival that finds none free within `waitMs` is not sent. */
  readonly connectionsMax: number;
  /** Of one source address; further connections come from 127.1.1.2, .3 and so on. */
  readonly connectionsPerAddressMax: number;
  /** The first of its source addresses: generators that run at once must not share them. */
  readonly addressFrom: number;
  readonly waitMs: number;
  /** From the intended time; an answer after it is late and does not count as goodput. */
  readonly deadlineMs: number;
  /** From the intended time; the connection is then closed. */
  readonly giveUpMs: number;
  /** Length of a point of the timeline. */
  readonly bucketMs: number;
}

export interface Counts {
  offered: number;
  /** Complete, right and in time. */
  good: number;
  late: number;
  /** Answered by a status that is no success, by code and, after a colon, gate or quota. */
  refused: Record<string, number>;
  /** Not answered, or not rightly, by reason. */
  failed: Record<string, number>;
  /** Reads repeated on a new connection because an idle one was closed under them: RFC 9112 section 9.3.1. */
  repeated: number;
}

export interface PhaseResult extends Counts {
  readonly phase: string;
  readonly lane: string;
  readonly seconds: number;
  /** From the intended time, of what was served, and of what was not answered at all, as the time when that was clear. */
  readonly latency: PackedHistogram;
  readonly refusal: PackedHistogram;
}

/** By the time of the answer, but for `offered`. */
export interface TimelinePoint {
  readonly atMs: number;
  readonly offered: number;
  readonly good: number;
  readonly late: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** How the generator itself was doing. */
export interface GeneratorHealth {
  /** From the intended time to the moment at which the generator looked at it. */
  readonly lag: PackedHistogram;
  /** Share of the run in which its loop was busy, 0 to 1. */
  readonly busy: number;
  /** Share of the seconds in which its loop was busy for more than 95 %. */
  readonly saturated: number;
  readonly cpuSeconds: number;
  readonly connectionsPeak: number;
}

export interface LoadResult {
  readonly phases: readonly PhaseResult[];
  readonly timelines: Readonly<Record<string, readonly TimelinePoint[]>>;
  readonly generator: GeneratorHealth;
  /** Wall clock of the first millisecond. */
  readonly startedAtMs: number;
}
