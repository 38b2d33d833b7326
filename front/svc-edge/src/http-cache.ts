import {
  authorityOf,
  type Clock,
  createMetrics,
  type HttpClient,
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  type Log,
  type Metrics,
  type Random,
} from '@ron/kernel';
import type { EdgeContext } from './edge-context.ts';
import { textOf } from './fields/fields.ts';
import { answerItself } from './handlers/answer-itself.ts';
import { forward } from './handlers/forward.ts';
import { forget, type PurgeSelection, purge } from './handlers/purge.ts';
import { read } from './handlers/read.ts';
import { createObjectReader, type ObjectReads } from './handlers/read-object.ts';
import { type WarmReport, warm } from './handlers/warm.ts';
import { readInquiry } from './inquiry.ts';
import { BoundedLog } from './metering/bounded-log.ts';
import { createCacheMeter } from './metering/cache-meter.ts';
import { meterStore } from './metering/store-gauges.ts';
import { Flights } from './origin/flights.ts';
import { WaitingGate, waitersMaxDefault } from './origin/waiting-gate.ts';
import { refuse } from './reply/refusals.ts';
import { type OperatorDefaults, operatorDefaults } from './rules/operator-defaults.ts';
import type { BodyTier } from './store/body-tier.ts';
import { ResponseStore } from './store/response-store.ts';

export interface HttpCacheOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** The one origin. */
  readonly client: HttpClient;
  /** Heads and bodies in memory; 256 MiB by default. */
  readonly bytesMax?: number;
  /** Stored responses; 100,000 by default. */
  readonly entriesMax?: number;
  /** Of one stored body; an eighth of `bytesMax` by default. Larger ones pass through. */
  readonly bodyBytesMax?: number;
  /** Pass the client's Host field on and keep hosts apart; otherwise the origin gets its own name. */
  readonly keepHost?: boolean;
  /**
   * Pass `Forwarded`, `X-Forwarded-*`, `X-Original-URL`, `X-HTTP-Method-Override` and the like of GET and HEAD on, and keep
   * apart what requests that differ in them are answered. False by default: an origin that believes them without a word
   * in Vary would let anybody decide what is stored for everybody.
   */
  readonly passForwarded?: boolean;
  /** What holds where the origin says nothing: no lifetime, and stale for a day when the origin fails. */
  readonly defaults?: Partial<OperatorDefaults>;
  /** Requests that may wait for the origin at a time, 8,192 by default; more are answered stale or refused with 503. */
  readonly waitersMax?: number;
  /** Verified objects, and what they need of the platform: addresses are answered from them. None by default. */
  readonly objects?: Omit<ObjectReads, 'client'>;
  /** Where bodies go that memory has no room for but that somebody asked for again. None by default. */
  readonly tier?: BodyTier;
  readonly metrics?: Metrics;
  /** Failures of the origin and refusals, at `warn`. */
  readonly log?: Log;
  /** A line for each request, at `info`. */
  readonly accessLog?: boolean;
}

export interface CacheUsage {
  /** In memory. */
  readonly bytes: number;
  readonly bytes_max: number;
  readonly disk_bytes: number;
  readonly disk_bytes_max: number;
  readonly entries: number;
  readonly entries_max: number;
  readonly evictions: { readonly ram: number; readonly disk: number };
  /** Requests to the origin whose head is awaited, and requests of clients that wait. */
  readonly flights: number;
  readonly waiting: number;
  readonly origin: { readonly fetches: number; readonly failures: number };
  /** Groups and outboards of verified objects, beside everything above. */
  readonly objects?: {
    readonly bytes: number;
    readonly entries: number;
    readonly disk_bytes: number;
    readonly disk_entries: number;
  };
}

export interface HttpCache {
  readonly handle: HttpHandler;
  readonly usage: CacheUsage;
  /** How many responses, groups and outboards were removed. */
  purge(selection: PurgeSelection): number;
  warm(urls: readonly string[], headers?: Readonly<Record<string, string>>): Promise<WarmReport>;
  /** Whether another request may wait for the origin. */
  readonly isCrowded: boolean;
}

/** A shared cache for any origin by RFC 9110 and RFC 9111: every method and path passes through. */
export function createHttpCache(options: HttpCacheOptions): HttpCache {
  const edge = createContext(options);
  const { clock, store, flights, gate, meter } = edge;
  return {
    handle: (request) => {
      const startedMs = clock.monotonicMs();
      const response = answer(edge, request);
      if (!(response instanceof Promise)) return meter.served(request, response, startedMs);
      return gate.hold(response).then((late) => meter.served(request, late, startedMs));
    },
    purge: (selection) => purge(edge, selection),
    warm(urls, headers = {}) {
      const handle = (request: HttpRequest) => answer(edge, request);
      return warm({ clock, handle, authority: edge.originAuthority }, urls, headers);
    },
    get isCrowded() {
      return gate.isFull;
    },
    get usage() {
      return {
        bytes: store.bytes,
        bytes_max: store.limits.bytesMax,
        disk_bytes: store.diskBytes,
        disk_bytes_max: store.diskBytesMax,
        entries: store.entries,
        entries_max: store.limits.entriesMax,
        evictions: { ...store.evictions },
        flights: flights.size,
        waiting: gate.waiting,
        origin: { fetches: meter.origin.fetches, failures: meter.origin.failures },
        ...objectsOf(edge),
      };
    },
  };
}

function objectsOf({ objects }: EdgeContext): Pick<CacheUsage, 'objects'> {
  if (objects === undefined) return {};
  const { ramBytes, ramEntries, diskBytes, diskEntries } = objects.usage;
  return { objects: { bytes: ramBytes, entries: ramEntries, disk_bytes: diskBytes, disk_entries: diskEntries } };
}

function createContext(options: HttpCacheOptions): EdgeContext {
  const { clock, random, client, objects, log, accessLog, metrics = createMetrics() } = options;
  const bytesMax = options.bytesMax ?? 256 * 1024 * 1024;
  const limits = {
    bytesMax,
    entriesMax: options.entriesMax ?? 100_000,
    bodyBytesMax: options.bodyBytesMax ?? Math.floor(bytesMax / 8),
  };
  const store = new ResponseStore(limits, options.tier);
  const flights = new Flights(clock);
  const gate = new WaitingGate(options.waitersMax ?? waitersMaxDefault);
  meterStore(metrics, store, flights, gate);
  return {
    clock,
    random,
    client,
    store,
    flights,
    gate,
    log: log === undefined ? undefined : new BoundedLog(clock, log),
    objects: objects === undefined ? undefined : createObjectReader({ ...objects, client }),
    meter: createCacheMeter({ clock, random, metrics, log, accessLog }),
    defaults: { ...operatorDefaults, ...options.defaults },
    originAuthority: authorityOf(client.origin),
    keepHost: options.keepHost ?? false,
    passForwarded: options.passForwarded ?? false,
    instance: Buffer.from(random.bytes(6)).toString('hex'),
  };
}

function answer(edge: EdgeContext, request: HttpRequest): HttpResponse | Promise<HttpResponse> {
  const inquiry = readInquiry(edge, request);
  if (textOf(inquiry.fields, 'via')?.includes(`(${edge.instance})`) === true) {
    // The origin leads back here, maybe through others. RFC 9110, 7.6.3.
    return refuse(edge, request, {
      status: 508,
      code: 'unavailable',
      message: 'the request has been here before',
      cacheStatus: { detail: 'loop' },
      reason: 'loop',
    });
  }
  const object = edge.objects?.read(request, {
    pass: () => read(edge, inquiry),
    forget: () => void forget(edge, inquiry.key),
  });
  if (object !== undefined) return object;
  const own = answerItself(inquiry);
  if (own !== undefined) return own;
  const { method } = inquiry;
  return method === 'GET' || method === 'HEAD' ? read(edge, inquiry) : forward(edge, inquiry);
}
