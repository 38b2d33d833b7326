import { parseBundle, tileWidth } from '@ron/tlog';
import { parseLeaf } from './leaf.ts';
import type { LogBody } from './log-body.ts';
import type { AuditStore } from './store/store.ts';

/** What is kept of entries, in whole bundles of 256; absent members keep everything. Hashes are always kept. */
export interface Retention {
  readonly entriesMax?: number;
  /** Of stored bundles. */
  readonly bytesMax?: number;
  readonly daysMax?: number;
}

/** Bundles that one round gives up. */
const bundlesPerRoundMax = 64;
const dayMs = 86_400_000;

/** The number of the first bundle to keep. */
export async function firstToKeep(
  retention: Retention,
  { body, store }: { readonly body: LogBody; readonly store: AuditStore },
  nowMs: number,
): Promise<number> {
  const { entriesMax = Number.POSITIVE_INFINITY, bytesMax = Number.POSITIVE_INFINITY } = retention;
  const bornMs = nowMs - (retention.daysMax ?? Number.POSITIVE_INFINITY) * dayMs;
  let bytes = store.bundleBytes;
  let number = store.bundlesFrom;
  const end = Math.min(body.storedBundles, number + bundlesPerRoundMax);
  for (; number < end; number += 1) {
    const bundle = await store.readBundle(number);
    const tooMany = body.size - number * tileWidth > entriesMax || bytes > bytesMax;
    if (!tooMany && !isOlder(bundle, bornMs)) break;
    bytes -= bundle?.byteLength ?? 0;
  }
  return number;
}

/** Its newest entry decides. A bundle that cannot be read is evidence of damage, and stays. */
function isOlder(bundle: Uint8Array | undefined, bornMs: number): boolean {
  if (bundle === undefined || bornMs === Number.NEGATIVE_INFINITY) return false;
  try {
    const newest = parseLeaf(parseBundle(bundle).at(-1) ?? new Uint8Array(0));
    return newest !== undefined && newest.at < bornMs;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'bad_request') return false;
    throw error;
  }
}
