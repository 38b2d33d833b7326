/** Past this many label combinations a metric folds new ones into one series whose label values are all `other`. */
export const seriesMax = 1000;

export type LabelValues<L extends string> = Readonly<Record<L, string>>;

/** A metric by name; `labels` binds one series. Bind once and keep the result: that is the hot path. */
export interface Family<C, L extends string = string> {
  readonly name: string;
  /** Every label must be given. A metric without labels has one series: `labels()`. */
  labels(...values: [L] extends [never] ? [] : [LabelValues<L>]): C;
}

/** One line of the exposition. */
export interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type MetricKind = 'counter' | 'gauge' | 'histogram';

/** A child knows its value; the family only finds, bounds and lists them. */
export interface Child {
  collect(name: string, labels: Readonly<Record<string, string>>): readonly Sample[];
}

const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

export class SeriesFamily<C extends Child> {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly labelNames: readonly string[];
  readonly #make: () => C;
  readonly #onFold: (name: string) => void;
  readonly #series = new Map<string, { readonly labels: Readonly<Record<string, string>>; readonly child: C }>();

  constructor(
    kind: MetricKind,
    name: string,
    help: string,
    labelNames: readonly string[],
    make: () => C,
    onFold: (name: string) => void,
  ) {
    if (!namePattern.test(name)) throw new TypeError(`bad metric name ${JSON.stringify(name)}`);
    for (const label of labelNames) if (!namePattern.test(label)) throw new TypeError(`bad label name ${label}`);
    this.kind = kind;
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.#make = make;
    this.#onFold = onFold;
    // A metric without labels shows its zero from the start, so that a rate over it has a beginning.
    if (labelNames.length === 0) this.labels();
  }

  get size(): number {
    return this.#series.size;
  }

  labels(values: Readonly<Record<string, string>> = {}): C {
    const key = this.#key(values);
    const known = this.#series.get(key);
    if (known !== undefined) return known.child;
    // The last place is kept for the fold.
    if (this.labelNames.length > 0 && this.#series.size >= seriesMax - 1) {
      this.#onFold(this.name);
      return this.#add(Object.fromEntries(this.labelNames.map((label) => [label, 'other'])));
    }
    return this.#add(Object.fromEntries(this.labelNames.map((label) => [label, values[label] as string])));
  }

  find(values: Readonly<Record<string, string>>): C | undefined {
    return this.#series.get(this.#key(values))?.child;
  }

  samples(): Sample[] {
    return [...this.#series.values()].flatMap(({ labels, child }) => child.collect(this.name, labels));
  }

  #add(labels: Readonly<Record<string, string>>): C {
    const key = this.#key(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known.child;
    const child = this.#make();
    this.#series.set(key, { labels, child });
    return child;
  }

  #key(values: Readonly<Record<string, string>>): string {
    let key = '';
    for (const label of this.labelNames) {
      const value = values[label];
      if (typeof value !== 'string') throw new TypeError(`${this.name} needs the label ${label}`);
      // The length keeps ("a", "bc") and ("ab", "c") apart.
      key += `${value.length}:${value}`;
    }
    return key;
  }
}
