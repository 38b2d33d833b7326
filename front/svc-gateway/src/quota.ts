import type { Clock } from '@ron/kernel';
import type { Call } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, lenderOf, ResidentBody } from '@ron/proto/stream';
import type { Admission, LiveConfig, QuotaReport } from '@ron/service';
import { Bucket, BucketTable } from './bucket.ts';
import type { GatewayConfig } from './config.ts';

/** Where body bytes are paid for after admission. */
export interface ByteLedger {
  /** Charges what is sent as it leaves. A resident body is charged at once and stays resident. */
  sending(tenant: string, body: ByteStream): ByteStream;
  /** Runs `use` with the request's body; afterwards what came is charged in place of what was announced. */
  receiving<T>(call: Call, use: (body: ByteStream) => Promise<T>): Promise<T>;
}

interface TenantBuckets {
  readonly requests: Bucket;
  readonly bytes: Bucket;
}

interface OwnRate {
  readonly bucket: Bucket;
  /** As the last call had it. */
  perSecond: number;
}

/**
 * Token buckets in requests and body bytes for each tenant, and in requests for each capability that carries a rate
 * of its own. Callers without a tenant share one. All are kept in memory on the monotonic clock, in bounded number.
 *
 * Bytes are paid afterwards: a transfer is admitted while its tenant owes nothing, and may take the bucket below
 * zero, so that the next call waits. Objects larger than the burst can thus be moved at all.
 */
export class Quota implements ByteLedger {
  readonly #config: LiveConfig<GatewayConfig>;
  readonly #clock: Clock;
  readonly #tenants: BucketTable<TenantBuckets>;
  readonly #capabilities: BucketTable<OwnRate>;

  constructor(config: LiveConfig<GatewayConfig>, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
    this.#tenants = new BucketTable(
      () => ({ requests: new Bucket(), bytes: new Bucket() }),
      (buckets) => this.#isTenantFull(buckets),
    );
    this.#capabilities = new BucketTable(
      () => ({ bucket: new Bucket(), perSecond: 1 }),
      ({ bucket, perSecond }) => isFull(bucket, clock.monotonicMs(), perSecond, burstOf(perSecond)),
    );
  }

  /** Buckets that are remembered now, for metrics. */
  get remembered(): number {
    return this.#tenants.size + this.#capabilities.size;
  }

  /**
   * Charges one request and the announced bytes, or charges nothing and throws `quota_exhausted` whose
   * `retryAfterMs` is the least whole number of milliseconds after which the same call passes.
   */
  admit(admission: Pick<Admission, 'tenant' | 'bodyBytes' | 'principal'>): QuotaReport {
    const config = this.#config.current();
    const now = this.#clock.monotonicMs();
    const { requests, bytes } = this.#tenants.of(admission.tenant, config.tenants_max);
    const own = this.#ownRate(admission, config.tenants_max);
    const waitForRequests = requests.waitMs(1, now, config.requests_per_second, config.burst);
    const waitForBytes = bytes.waitMs(1, now, config.bytes_per_second, config.bytes_burst);
    const waitForOwn = own === undefined ? 0 : own.bucket.waitMs(1, now, own.perSecond, burstOf(own.perSecond));
    const waitMs = Math.max(waitForRequests, waitForBytes, waitForOwn);
    if (waitMs > 0) {
      const quota = waitMs === waitForOwn ? 'capability' : waitMs === waitForRequests ? 'requests' : 'bytes';
      throw new RonError('quota_exhausted', `the quota of ${quota} is used up`, {
        retryAfterMs: waitMs,
        details: { quota },
      });
    }
    requests.spend(1, now, config.requests_per_second, config.burst);
    const announced = admission.bodyBytes ?? 0;
    if (announced > 0) bytes.spend(announced, now, config.bytes_per_second, config.bytes_burst);
    if (own === undefined) return reportOf(requests, now, config.requests_per_second, config.burst);
    own.bucket.spend(1, now, own.perSecond, burstOf(own.perSecond));
    return reportOf(own.bucket, now, own.perSecond, burstOf(own.perSecond));
  }

  sending(tenant: string, body: ByteStream): ByteStream {
    if (!(body instanceof ResidentBody)) {
      const counted = this.#counting(body, (length) => this.#spend(tenant, length));
      const lender = lenderOf(body);
      // Pieces go on as they are, so their reader may still give them back.
      return lender === undefined
        ? counted
        : Object.assign(counted, { giveBack: (piece: Uint8Array) => lender.giveBack(piece) });
    }
    if (body.bytes.byteLength > 0) this.#spend(tenant, body.bytes.byteLength);
    return body;
  }

  async receiving<T>(call: Call, use: (body: ByteStream) => Promise<T>): Promise<T> {
    let received = 0;
    const counted = this.#counting(call.body, (length) => {
      received += length;
    });
    try {
      return await use(counted);
    } finally {
      this.#spend(call.context.tenant, received - (call.bodyBytes ?? 0));
    }
  }

  async *#counting(body: ByteStream, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      count(piece.byteLength);
      yield piece;
    }
  }

  #spend(tenant: string, length: number): void {
    const config = this.#config.current();
    const { bytes } = this.#tenants.of(tenant, config.tenants_max);
    bytes.spend(length, this.#clock.monotonicMs(), config.bytes_per_second, config.bytes_burst);
  }

  /** Keyed by the capability alone: a holder who narrows the rate further must not get a fresh bucket by it. */
  #ownRate({ principal }: Pick<Admission, 'principal'>, entriesMax: number): OwnRate | undefined {
    const perSecond = principal.limits.requestsPerSecond;
    if (perSecond === undefined) return undefined;
    const own = this.#capabilities.of(principal.capabilityId, entriesMax);
    own.perSecond = perSecond;
    return own;
  }

  #isTenantFull({ requests, bytes }: TenantBuckets): boolean {
    const config = this.#config.current();
    const now = this.#clock.monotonicMs();
    return (
      isFull(requests, now, config.requests_per_second, config.burst) &&
      isFull(bytes, now, config.bytes_per_second, config.bytes_burst)
    );
  }
}

function isFull(bucket: Bucket, now: number, perSecond: number, capacity: number): boolean {
  return bucket.levelAt(now, perSecond, capacity) >= capacity;
}

/** A capability's rate comes without a burst: one second's worth, and at least one request. */
function burstOf(perSecond: number): number {
  return Math.max(1, perSecond);
}

function reportOf(bucket: Bucket, now: number, perSecond: number, capacity: number): QuotaReport {
  const level = bucket.levelAt(now, perSecond, capacity);
  return {
    limit: capacity,
    remaining: Math.max(0, Math.floor(level)),
    resetMs: Math.ceil(((capacity - level) / perSecond) * 1_000),
  };
}
