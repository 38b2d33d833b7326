import type { Change } from '@ron/svc-index/service';

/** The first setting of a name, as an engine gets it. */
export function firstSetting(name: string, namesMax: number): Change {
  const address = `b3:${'0'.repeat(64)}`;
  const record = { name, address, version: 1, prev: null, updated_at: 1, owner: 'o', signature: 's' };
  return { expectedVersion: 0, expectedRemoved: false, head: { record, removed: false }, versionsMax: 9, namesMax };
}
