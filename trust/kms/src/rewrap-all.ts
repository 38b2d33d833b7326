import type { Kms, RewrapItem, RewrapReport } from './kms.ts';

/** One page of what the caller keeps. `cursor` leads to the next; without one, this is the last. */
export interface RewrapPage {
  readonly items: readonly RewrapItem[];
  readonly cursor?: string;
}

export interface RewrapSource {
  /** At most 1,000 items after `cursor`, in an order that does not change. */
  read(cursor: string | undefined): Promise<RewrapPage>;
  /** Keeps the new values of one page, durably, in the order of its items. */
  store(page: RewrapPage, report: RewrapReport): Promise<void>;
}

export interface RewrapProgress {
  /** Where a run that is cut off now goes on. Undefined at the end. */
  readonly cursor: string | undefined;
  readonly done: number;
  readonly unchanged: number;
  /** Not zero: older versions of the key must stay until these values are found. */
  readonly failed: number;
}

/**
 * Walks everything that the caller keeps wrapped with one key, page by page. Each page is stored before its progress is
 * given, so that a run resumed from the last `cursor` misses nothing; what it meets twice is `unchanged`.
 */
export async function* rewrapAll(
  kms: Pick<Kms, 'rewrap'>,
  kidOrUuid: string,
  source: RewrapSource,
  from?: string,
): AsyncGenerator<RewrapProgress> {
  const total = { done: 0, unchanged: 0, failed: 0 };
  let cursor = from;
  do {
    const page = await source.read(cursor);
    const report = await kms.rewrap(kidOrUuid, page.items);
    if (report.done > 0) await source.store(page, report);
    total.done += report.done;
    total.unchanged += report.unchanged;
    total.failed += report.failed;
    cursor = page.cursor;
    yield { cursor, ...total };
  } while (cursor !== undefined);
}
