export { type Counter, type Gauge, type Histogram, latencyBuckets } from './children.ts';
export { type Family, type LabelValues, seriesMax } from './family.ts';
export { createMetrics, type Metrics, type MetricsOptions } from './metrics.ts';
