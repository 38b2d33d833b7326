import {
  type Counter,
  CounterChild,
  type Gauge,
  GaugeChild,
  type Histogram,
  HistogramChild,
  latencyBuckets,
} from './children.ts';
import { type Child, type Family, type MetricKind, type Sample, SeriesFamily } from './family.ts';

/** Metric names are a fixed set in the code; more than this means that one is built from data. */
const familiesMax = 500;

export interface MetricsOptions {
  /** Put before every name; empty by default. */
  readonly prefix?: string;
}

/**
 * The process's metrics. Asking for a name again with the same kind and labels gives the same family, so services share one;
 * with others it throws. No timers, no globals.
 */
export interface Metrics {
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Family<Counter, L>;
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[]): Family<Gauge, L>;
  /** `buckets`: ascending upper bounds; the latency bounds (seconds, to 60 s) by default. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    buckets?: readonly number[],
  ): Family<Histogram, L>;
  /** Runs before each exposition: for gauges that are read rather than kept. */
  onCollect(refresh: () => void): Disposable;
  /** The value of a counter or gauge, or the count of a histogram; undefined when there is no such series. For tests and status pages. */
  read(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
  /** Prometheus text format 0.0.4. */
  exposition(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics(options: MetricsOptions = {}): Metrics {
  return new RegistryMetrics(options.prefix ?? '');
}

class RegistryMetrics implements Metrics {
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8';
  readonly #prefix: string;
  readonly #families = new Map<string, SeriesFamily<Child>>();
  readonly #refreshers = new Set<() => void>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  counter<L extends string = never>(name: string, help: string, labels: readonly L[] = []): Family<Counter, L> {
    return this.#family('counter', name, help, labels, () => new CounterChild());
  }

  gauge<L extends string = never>(name: string, help: string, labels: readonly L[] = []): Family<Gauge, L> {
    return this.#family('gauge', name, help, labels, () => new GaugeChild());
  }

  histogram<L extends string = never>(
    name: string,
    help: string,
    labels: readonly L[] = [],
    buckets: readonly number[] = latencyBuckets,
  ): Family<Histogram, L> {
    if (buckets.some((bound, i) => i > 0 && !(bound > (buckets[i - 1] as number)))) {
      throw new RangeError(`the buckets of ${name} do not ascend`);
    }
    return this.#family('histogram', name, help, labels, () => new HistogramChild(buckets));
  }

  onCollect(refresh: () => void): Disposable {
    this.#refreshers.add(refresh);
    return { [Symbol.dispose]: () => void this.#refreshers.delete(refresh) };
  }

  read(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const child = this.#families.get(this.#prefix + name)?.find(labels);
    if (child instanceof HistogramChild) return child.count;
    return child instanceof CounterChild || child instanceof GaugeChild ? child.value : undefined;
  }

  async exposition(): Promise<string> {
    for (const refresh of this.#refreshers) refresh();
    // Loaded at the first scrape: it would cost a node tens of milliseconds at its start.
    const { Registry } = await import('prom-client');
    const registry = new Registry();
    for (const family of this.#families.values()) {
      registry.registerMetric(new Exposed(family) as never);
    }
    return registry.metrics();
  }

  #family<C extends Child, L extends string>(
    kind: MetricKind,
    name: string,
    help: string,
    labels: readonly L[],
    make: () => C,
  ): Family<C, L> {
    const full = this.#prefix + name;
    const known = this.#families.get(full);
    if (known !== undefined) {
      if (known.kind !== kind || known.labelNames.join() !== labels.join()) {
        throw new TypeError(`${full} is already a ${known.kind} with labels (${known.labelNames.join(', ')})`);
      }
      return known as unknown as Family<C, L>;
    }
    if (this.#families.size >= familiesMax) throw new RangeError(`more than ${familiesMax} metrics`);
    const family = new SeriesFamily(kind, full, help, labels, make, (folded) => this.#countFold(folded));
    this.#families.set(full, family);
    return family as unknown as Family<C, L>;
  }

  #countFold(metric: string): void {
    this.counter('metrics_series_folded_total', 'Label combinations folded into "other"', ['metric'])
      .labels({ metric })
      .inc();
  }
}

/** What the registry of prom-client asks of a metric when it formats. */
class Exposed {
  readonly #family: SeriesFamily<Child>;

  constructor(family: SeriesFamily<Child>) {
    this.#family = family;
  }

  get name(): string {
    return this.#family.name;
  }

  async get(): Promise<{ name: string; help: string; type: MetricKind; values: Sample[] }> {
    const { name, help, kind } = this.#family;
    return { name, help, type: kind, values: this.#family.samples() };
  }
}
