import type { Counter, Metrics } from '@ron/kernel';
import type { PassportStore } from './store/passport-store.ts';

export interface PassportMeters extends Disposable {
  readonly issued: Pick<Counter, 'inc'>;
  readonly reuses: Pick<Counter, 'inc'>;
}

export function measure(metrics: Metrics, store: PassportStore): PassportMeters {
  const issued = metrics.counter('passport_issued_total', 'Capabilities issued and refreshed').labels();
  const reuses = metrics
    .counter('passport_refresh_reuse_total', 'Families revoked because a used refresh token came again')
    .labels();
  const revocations = metrics.gauge('passport_revocations', 'Revocations in force').labels();
  const families = metrics
    .gauge('passport_families', 'Passports held: those that can be refreshed, and for a day those that expired')
    .labels();
  const collecting = metrics.onCollect(() => {
    revocations.set(store.feed.size);
    families.set(store.meta.families);
  });
  return { issued, reuses, [Symbol.dispose]: () => collecting[Symbol.dispose]() };
}
