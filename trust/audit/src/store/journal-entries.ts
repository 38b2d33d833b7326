import type { Journal, JournalVisitor } from '@ron/journal';
import { RonError } from '@ron/proto/errors';
import { parseBundle } from '@ron/tlog';

export interface JournalEntries {
  readonly journal: Journal;
  /** Entries from the index asked for, contiguous. */
  readonly tail: Uint8Array[];
  /** Entries before that index, which lie in bundles too. */
  readonly earlier: Map<number, Uint8Array>;
  /** Segment → the index after its last entry. */
  readonly ends: Map<number, number>;
  /** What is missing between the tail and entries after it. */
  readonly gap: string | undefined;
}

/** Reads the entries of a journal as it is opened. */
export async function readJournal(
  from: number,
  open: (visit: JournalVisitor) => Promise<Journal>,
): Promise<JournalEntries> {
  const tail: Uint8Array[] = [];
  const earlier = new Map<number, Uint8Array>();
  const ends = new Map<number, number>();
  let gap: string | undefined;
  const journal = await open(({ segment, payload }) => {
    const { first, entries } = parseRecord(payload);
    if (entries.length === 0)
      gap ??= `the journal has a record that is none of entries, after index ${from + tail.length}`;
    ends.set(segment, Math.max(ends.get(segment) ?? 0, first + entries.length));
    for (const [at, entry] of entries.entries()) {
      const index = first + at;
      const next = from + tail.length;
      if (index < from) earlier.set(index, entry);
      else if (index === next && gap === undefined) tail.push(entry);
      else gap ??= `entries from index ${next} are missing: the next one that is there is ${index}`;
    }
  });
  return { journal, tail, earlier, ends, gap };
}

/** An index, 8 bytes big-endian, and the entries from there on as a bundle. No entries for anything else. */
function parseRecord(payload: Uint8Array): { readonly first: number; readonly entries: readonly Uint8Array[] } {
  if (payload.byteLength < 8) return { first: 0, entries: [] };
  const first = Number(new DataView(payload.buffer, payload.byteOffset).getBigUint64(0));
  try {
    // A copy: the payload is a Buffer over memory that the next record is read into, and `slice` of one shares it.
    return { first, entries: parseBundle(new Uint8Array(payload.subarray(8))) };
  } catch (error) {
    if (error instanceof RonError) return { first, entries: [] };
    throw error;
  }
}
