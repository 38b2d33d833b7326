import type { Clock, HttpClient, Random } from '@ron/kernel';
import type { ObjectReader } from './handlers/read-object.ts';
import type { BoundedLog } from './metering/bounded-log.ts';
import type { CacheMeter } from './metering/cache-meter.ts';
import type { Flights } from './origin/flights.ts';
import type { WaitingGate } from './origin/waiting-gate.ts';
import type { OperatorDefaults } from './rules/operator-defaults.ts';
import type { ResponseStore } from './store/response-store.ts';

/** What every request of one cache works with. */
export interface EdgeContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly client: HttpClient;
  readonly store: ResponseStore;
  readonly flights: Flights;
  readonly defaults: OperatorDefaults;
  readonly meter: CacheMeter;
  readonly gate: WaitingGate;
  readonly log: BoundedLog | undefined;
  /** Answers what is asked for by its address; undefined where nothing is verified. */
  readonly objects: ObjectReader | undefined;
  /** Host of the origin, as requests name it. */
  readonly originAuthority: string;
  /** Pass the client's Host on, and keep what different hosts are answered apart. */
  readonly keepHost: boolean;
  /** Pass on what clients say about the way of a request, and keep apart what they are answered by it. */
  readonly passForwarded: boolean;
  /** Tells this process from every other one in a Via field. */
  readonly instance: string;
}
