import type { Metrics } from '@ron/kernel';
import type { Flights } from '../origin/flights.ts';
import type { WaitingGate } from '../origin/waiting-gate.ts';
import type { ResponseStore } from '../store/response-store.ts';

/** What is stored and what is under way, read at each scrape. */
export function meterStore(metrics: Metrics, store: ResponseStore, flights: Flights, gate: WaitingGate): void {
  const bytes = metrics.gauge('edge_stored_bytes', 'Heads and bodies that are stored', ['tier']);
  const entries = metrics.gauge('edge_stored_responses', 'Stored responses').labels();
  const under = metrics.gauge('edge_flights', 'Requests to the origin whose head is awaited').labels();
  const waiting = metrics.gauge('edge_waiting', 'Requests of clients that wait for the origin').labels();
  const evictions = metrics.counter('edge_evictions_total', 'Responses that made room for others', ['tier']);
  const inRam = evictions.labels({ tier: 'ram' });
  const onDisk = evictions.labels({ tier: 'disk' });
  metrics.onCollect(() => {
    bytes.labels({ tier: 'ram' }).set(store.bytes);
    bytes.labels({ tier: 'disk' }).set(store.diskBytes);
    entries.set(store.entries);
    under.set(flights.size);
    waiting.set(gate.waiting);
    inRam.inc(store.evictions.ram - inRam.value);
    onDisk.inc(store.evictions.disk - onDisk.value);
  });
}
