import { type RouteClass, routeClasses } from '@ron/proto/contract';
import type { GatewayConfig } from './config.ts';

type RateField =
  | 'requests_per_second'
  | 'burst'
  | 'bytes_per_second'
  | 'bytes_burst'
  | `${RouteClass}_${'per_second' | 'burst' | 'bytes_per_second' | 'bytes_burst'}`;

export type Rates = Pick<GatewayConfig, RateField>;

/** The rates of one tenant, from those that the configuration has for all. Asked for each request. */
export type RatesOf = (tenant: string, all: Readonly<Rates>) => Readonly<Rates>;

/** Of one bucket in requests, or in bytes. */
export interface Rate {
  /** As a refusal and the RateLimit fields name it. */
  readonly quota: string;
  readonly perSecond: number;
  readonly capacity: number;
}

export interface RatePair {
  readonly requests: Rate;
  readonly bytes: Rate;
}

/** The rates of one tenant, ready to be asked. */
export interface TenantRates {
  readonly all: RatePair;
  /** Of the classes that may bind before `all` does; none by default. */
  readonly classes: Readonly<Partial<Record<RouteClass, RatePair>>>;
}

const known = new WeakMap<Readonly<Rates>, TenantRates>();

/** Worked out once for each table: configuration and policy give the same object until they change. */
export function tenantRates(rates: Readonly<Rates>): TenantRates {
  let result = known.get(rates);
  if (result === undefined) {
    const all: RatePair = {
      requests: { quota: 'requests', perSecond: rates.requests_per_second, capacity: rates.burst },
      bytes: { quota: 'bytes', perSecond: rates.bytes_per_second, capacity: rates.bytes_burst },
    };
    const classes = routeClasses.flatMap((name) => {
      const pair = classPair(rates, name);
      return binds(pair.requests, all.requests) || binds(pair.bytes, all.bytes) ? [[name, pair]] : [];
    });
    result = { all, classes: Object.fromEntries(classes) };
    known.set(rates, result);
  }
  return result;
}

function classPair(rates: Readonly<Rates>, name: RouteClass): RatePair {
  return {
    requests: { quota: name, perSecond: rates[`${name}_per_second`], capacity: rates[`${name}_burst`] },
    bytes: {
      quota: `${name}_bytes`,
      perSecond: rates[`${name}_bytes_per_second`],
      capacity: rates[`${name}_bytes_burst`],
    },
  };
}

function binds(own: Rate, all: Rate): boolean {
  return own.perSecond < all.perSecond || own.capacity < all.capacity;
}

/** A capability's rate comes without a burst: one second's worth, and at least one request. */
export function capabilityRate(perSecond: number): Rate {
  return { quota: 'capability', perSecond, capacity: Math.max(1, perSecond) };
}

/** Largest integer of a structured field. RFC 9651, 3.3.1. */
const integerMax = 999_999_999_999_999;

/**
 * One item of `RateLimit-Policy`: how much, and in how many seconds an empty bucket is full again.
 * draft-ietf-httpapi-ratelimit-headers, 3.
 */
export function policyItem({ quota, perSecond, capacity }: Rate): string {
  const unit = quota.endsWith('bytes') ? ';qu="content-bytes"' : '';
  const windowS = Math.min(integerMax, Math.max(1, Math.ceil(capacity / perSecond)));
  return `"${quota}";q=${Math.min(integerMax, Math.max(1, Math.floor(capacity)))};w=${windowS}${unit}`;
}
