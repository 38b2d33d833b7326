import type { Clock } from '@ron/kernel';
import { type Call, type CallContext, type RouteClass, routeClasses } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, lenderOf, ResidentBody } from '@ron/proto/stream';
import type { Admission, LiveConfig, QuotaReport } from '@ron/service';
import { Allowances } from './allowance.ts';
import { Bucket, BucketTable } from './bucket.ts';
import type { GatewayConfig } from './config.ts';
import type { QuotaRow } from './quota-snapshots.ts';
import { capabilityRate, policyItem, type Rate, type RatePair, type RatesOf, tenantRates } from './rates.ts';

/** Who pays for bytes. */
export type Payer = Pick<CallContext, 'tenant' | 'principal'>;

/** Where body bytes are paid for after admission. */
export interface ByteLedger {
  /** Charges what is sent as it leaves, to `reads` by default. A resident body is charged at once and stays resident. */
  sending(payer: Payer, body: ByteStream, routeClass?: RouteClass): ByteStream;
  /** Runs `use` with the request's body; afterwards what came is charged in place of what was announced. */
  receiving<T>(call: Call, use: (body: ByteStream) => Promise<T>): Promise<T>;
}

interface BucketPair {
  readonly requests: Bucket;
  readonly bytes: Bucket;
}

/** Of a tenant, of all who have none, or of a node. */
interface PayerBuckets extends BucketPair {
  /** Whose rates hold. */
  readonly tenant: string;
  /** Of those classes that have a rate of their own and were called. */
  readonly classes: Partial<Record<RouteClass, BucketPair>>;
}

interface OwnRate {
  readonly bucket: Bucket;
  /** As the last call had it. */
  perSecond: number;
}

/** A bucket that a call is charged to, with its rate. */
interface Charged {
  readonly bucket: Bucket;
  readonly rate: Rate;
}

/**
 * Token buckets in requests and body bytes for each tenant, for each class of its calls that has a rate of its own, and in
 * requests for each capability that carries one; a capability with `bytes_max` also has an allowance of bytes, which is kept exactly: a body that would
 * pass it is cut. Capabilities without a tenant share one, callers without a capability another, and another node has buckets of its own, at the rates of who has
 * no tenant. All are kept in memory on the monotonic clock, in bounded number: nodes apart from tenants, because ids of nodes are free.
 *
 * Bytes are paid afterwards: a transfer is admitted while its tenant owes nothing, and may take the bucket below
 * zero, so that the next call waits. Objects larger than the burst can thus be moved at all.
 */
export class Quota implements ByteLedger {
  readonly #config: LiveConfig<GatewayConfig>;
  readonly #clock: Clock;
  readonly #ratesOf: RatesOf;
  readonly #tenants: BucketTable<PayerBuckets>;
  readonly #nodes: BucketTable<PayerBuckets>;
  readonly #capabilities: BucketTable<OwnRate>;
  readonly #allowances = new Allowances();

  constructor(config: LiveConfig<GatewayConfig>, clock: Clock, ratesOf: RatesOf = (_tenant, all) => all) {
    this.#config = config;
    this.#clock = clock;
    this.#ratesOf = ratesOf;
    const payers = (tenantOf: (payer: string) => string) =>
      new BucketTable<PayerBuckets>(
        (payer) => ({ tenant: tenantOf(payer), ...bucketPair(), classes: {} }),
        (buckets) => this.#payerRow(buckets, clock.monotonicMs()) === undefined,
      );
    this.#tenants = payers((payer) => (payer === strangers ? '' : payer));
    this.#nodes = payers(() => '');
    this.#capabilities = new BucketTable(
      () => ({ bucket: new Bucket(), perSecond: 1 }),
      ({ bucket, perSecond }) => missingOf(bucket, capabilityRate(perSecond), clock.monotonicMs()) === 0,
    );
  }

  /** Buckets that are remembered now, for metrics. */
  get remembered(): number {
    return this.#tenants.size + this.#nodes.size + this.#capabilities.size + this.#allowances.size;
  }

  /**
   * Charges one request and the announced bytes, or charges nothing and throws `quota_exhausted` whose
   * `retryAfterMs` is the least whole number of milliseconds after which the same call passes.
   */
  admit({ tenant, bodyBytes = 0, principal, routeClass }: QuotaQuestion): QuotaReport {
    const config = this.#config.current();
    const now = this.#clock.monotonicMs();
    this.#allowances.check(principal, bodyBytes, config.tenants_max);
    const buckets = this.#bucketsOf({ tenant, principal }, config.tenants_max);
    const rates = tenantRates(this.#ratesOf(buckets.tenant, config));
    const perRequest: Charged[] = [{ bucket: buckets.requests, rate: rates.all.requests }];
    const perByte: Charged[] = [{ bucket: buckets.bytes, rate: rates.all.bytes }];
    const ofClass = rates.classes[routeClass];
    if (ofClass !== undefined) {
      const { requests, bytes } = classPairOf(buckets, routeClass);
      perRequest.push({ bucket: requests, rate: ofClass.requests });
      perByte.push({ bucket: bytes, rate: ofClass.bytes });
    }
    const own = this.#ownRate(principal, config.tenants_max);
    if (own !== undefined) perRequest.push(own);
    refuseWhenEmpty(perRequest, perByte, now);
    for (const { bucket, rate } of perRequest) bucket.spend(1, now, rate.perSecond, rate.capacity);
    if (bodyBytes > 0) {
      for (const { bucket, rate } of perByte) bucket.spend(bodyBytes, now, rate.perSecond, rate.capacity);
    }
    return reportOf(perRequest, now);
  }

  sending(payer: Payer, body: ByteStream, routeClass: RouteClass = 'reads'): ByteStream {
    if (!(body instanceof ResidentBody)) {
      const counted = this.#counting(payer, body, (length) => this.#spend(payer, length, routeClass));
      const lender = lenderOf(body);
      // Pieces go on as they are, so their reader may still give them back.
      return lender === undefined
        ? counted
        : Object.assign(counted, { giveBack: (piece: Uint8Array) => lender.giveBack(piece) });
    }
    const { byteLength } = body.bytes;
    if (byteLength > 0) {
      this.#allowances.check(payer.principal, byteLength, this.#config.current().tenants_max);
      this.#spend(payer, byteLength, routeClass);
    }
    return body;
  }

  async receiving<T>(call: Call, use: (body: ByteStream) => Promise<T>): Promise<T> {
    const { tenant, principal } = call.context;
    const { tenants_max } = this.#config.current();
    let received = 0;
    const counted = this.#counting(call.context, call.body, (length) => {
      received += length;
      this.#allowances.spend(principal, length, tenants_max);
    });
    try {
      return await use(counted);
    } finally {
      this.#spendOfTenant({ tenant, principal }, received - (call.bodyBytes ?? 0), 'writes');
    }
  }

  async *#counting(payer: Payer, body: ByteStream, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      this.#allowances.check(payer.principal, piece.byteLength, this.#config.current().tenants_max);
      count(piece.byteLength);
      yield piece;
    }
  }

  #spend({ tenant, principal }: Payer, length: number, routeClass: RouteClass): void {
    this.#allowances.spend(principal, length, this.#config.current().tenants_max);
    this.#spendOfTenant({ tenant, principal }, length, routeClass);
  }

  #spendOfTenant({ tenant, principal }: Payer, length: number, routeClass: RouteClass): void {
    const config = this.#config.current();
    const buckets = this.#bucketsOf({ tenant, principal }, config.tenants_max);
    const rates = tenantRates(this.#ratesOf(buckets.tenant, config));
    const now = this.#clock.monotonicMs();
    buckets.bytes.spend(length, now, rates.all.bytes.perSecond, rates.all.bytes.capacity);
    const ofClass = rates.classes[routeClass]?.bytes;
    if (ofClass === undefined) return;
    classPairOf(buckets, routeClass).bytes.spend(length, now, ofClass.perSecond, ofClass.capacity);
  }

  #bucketsOf({ tenant, principal: { node, capabilityId } }: Payer, entriesMax: number): PayerBuckets {
    if (node !== undefined) return this.#nodes.of(node, entriesMax);
    // A capability without a tenant pays for itself, and not for what strangers do with public objects.
    const payer = tenant === '' && capabilityId === 'anonymous' ? strangers : tenant;
    return this.#tenants.of(payer, entriesMax);
  }

  /** Keyed by the capability alone: a holder who narrows the rate further must not get a fresh bucket by it. */
  #ownRate({ limits, capabilityId }: Payer['principal'], entriesMax: number): Charged | undefined {
    const perSecond = limits.requestsPerSecond;
    if (perSecond === undefined) return undefined;
    const own = this.#capabilities.of(capabilityId, entriesMax);
    own.perSecond = perSecond;
    return { bucket: own.bucket, rate: capabilityRate(perSecond) };
  }

  /** What a restart has to know: every bucket that is not full, and what allowances were used. */
  *rows(): Generator<readonly [string, QuotaRow]> {
    const now = this.#clock.monotonicMs();
    for (const [capabilityId, { bytes }] of this.#allowances.entries()) {
      if (bytes > 0) yield [`allowance/${capabilityId}`, { bytes }];
    }
    for (const [capabilityId, { bucket, perSecond }] of this.#capabilities.entries()) {
      const requests = missingOf(bucket, capabilityRate(perSecond), now);
      if (requests > 0) yield [`capability/${capabilityId}`, { requests, per_second: perSecond }];
    }
    // Nodes last: should there be no room for all, who comes with many ids does not take that of the others.
    for (const [kind, payers] of [['tenant', this.#tenants] as const, ['node', this.#nodes] as const]) {
      for (const [payer, buckets] of payers.entries()) {
        const row = this.#payerRow(buckets, now);
        if (row !== undefined) yield [`${kind}/${payer}`, row];
      }
    }
  }

  /** Once, before the first call. The time between is not counted: no clock that may jump says what was refilled. */
  restore(key: string, row: QuotaRow): void {
    const { tenants_max } = this.#config.current();
    const now = this.#clock.monotonicMs();
    const slash = key.indexOf('/');
    const id = key.slice(slash + 1);
    switch (key.slice(0, slash)) {
      case 'allowance':
        this.#allowances.restore(id, row.bytes ?? 0, tenants_max);
        break;
      case 'capability': {
        const own = this.#capabilities.of(id, tenants_max);
        own.perSecond = row.per_second ?? 1;
        own.bucket.restore(row.requests ?? 0, now);
        break;
      }
      case 'tenant':
      case 'node': {
        const payers = key.startsWith('node/') ? this.#nodes : this.#tenants;
        const buckets = payers.of(id, tenants_max);
        restorePair(buckets, row, now);
        for (const name of routeClasses) {
          const own = row.classes?.[name];
          if (own !== undefined) restorePair(classPairOf(buckets, name), own, now);
        }
      }
    }
  }

  /** Undefined when every bucket is full: forgetting it changes nothing. */
  #payerRow(buckets: PayerBuckets, now: number): QuotaRow | undefined {
    const rates = tenantRates(this.#ratesOf(buckets.tenant, this.#config.current()));
    const classes: Partial<Record<RouteClass, QuotaRow>> = {};
    for (const name of routeClasses) {
      const [pair, rate] = [buckets.classes[name], rates.classes[name]];
      const row = pair === undefined || rate === undefined ? undefined : pairRow(pair, rate, now);
      if (row !== undefined) classes[name] = row;
    }
    const row = pairRow(buckets, rates.all, now);
    return Object.keys(classes).length === 0 ? row : { ...row, classes };
  }
}

/** Whose buckets those use who show no capability. No tenant has this name, which is no id. */
const strangers = 'strangers';

/** What of a call decides about its quota. */
export type QuotaQuestion = Pick<Admission, 'tenant' | 'bodyBytes' | 'principal' | 'routeClass'>;

function bucketPair(): BucketPair {
  return { requests: new Bucket(), bytes: new Bucket() };
}

function classPairOf({ classes }: PayerBuckets, routeClass: RouteClass): BucketPair {
  let pair = classes[routeClass];
  if (pair === undefined) {
    pair = bucketPair();
    classes[routeClass] = pair;
  }
  return pair;
}

/** The longest wait is the exact one: buckets only fill, so after it the others have let the call through too. */
function refuseWhenEmpty(perRequest: readonly Charged[], perByte: readonly Charged[], now: number): void {
  let longest = 0;
  let empty: Rate | undefined;
  for (const list of [perRequest, perByte]) {
    for (const { bucket, rate } of list) {
      const waitMs = bucket.waitMs(1, now, rate.perSecond, rate.capacity);
      if (waitMs > 0 && waitMs >= longest) {
        longest = waitMs;
        empty = rate;
      }
    }
  }
  if (empty === undefined) return;
  throw new RonError('quota_exhausted', `the quota of ${empty.quota} is used up`, {
    retryAfterMs: longest,
    details: { quota: empty.quota, policy: policyItem(empty) },
  });
}

/** Of the bucket that is nearest to its end. */
function reportOf(charged: readonly Charged[], now: number): QuotaReport {
  let nearest = charged[0]!;
  let least = Number.POSITIVE_INFINITY;
  for (const each of charged) {
    const share = each.bucket.levelAt(now, each.rate.perSecond, each.rate.capacity) / each.rate.capacity;
    if (share < least) [nearest, least] = [each, share];
  }
  const { rate } = nearest;
  const level = Math.max(0, least * rate.capacity);
  return {
    quota: rate.quota,
    limit: rate.capacity,
    remaining: Math.floor(level),
    // Who divides what remains by the window must not get more than the rate: section 8.5 of the draft.
    windowMs: Math.ceil((Math.max(level, rate.capacity - level) / rate.perSecond) * 1_000),
    policy: policyOf(rate),
  };
}

const policies = new WeakMap<Rate, string>();

/** A capability's rate is made for each call; those of tenants stay. */
function policyOf(rate: Rate): string {
  let text = policies.get(rate);
  if (text === undefined) {
    text = policyItem(rate);
    policies.set(rate, text);
  }
  return text;
}

/** Whole tokens that are gone; rounded up, so that a restart gives nothing away. */
function missingOf(bucket: Bucket, { perSecond, capacity }: Rate, now: number): number {
  return Math.ceil(capacity - bucket.levelAt(now, perSecond, capacity));
}

function pairRow(pair: BucketPair, rates: RatePair, now: number): QuotaRow | undefined {
  const requests = missingOf(pair.requests, rates.requests, now);
  const bytes = missingOf(pair.bytes, rates.bytes, now);
  return requests > 0 || bytes > 0 ? { requests, bytes } : undefined;
}

function restorePair(pair: BucketPair, row: QuotaRow, now: number): void {
  pair.requests.restore(row.requests ?? 0, now);
  pair.bytes.restore(row.bytes ?? 0, now);
}
