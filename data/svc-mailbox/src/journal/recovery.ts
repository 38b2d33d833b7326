import type { Journal, JournalDamage, JournalRecord } from '@ron/journal';
import type { Restorer } from '../state/restore.ts';
import {
  decodeChanged,
  decodeGone,
  decodeKeys,
  decodeMessage,
  decodeNames,
  type NamedMessage,
  recordKind,
} from './records.ts';

/** Tells the restorer what one record says. Throws for a record that is not one of ours. */
export function replayRecord(restorer: Restorer, record: JournalRecord): void {
  const { kind, payload, segment, offsetBytes, payloadBytes } = record;
  if (kind === recordKind.message) {
    const { nowMs, record: found } = decodeMessage(payload);
    restorer.at(nowMs);
    restorer.message(found.key, found.origin, found.standing, found.keptKey, { segment, offsetBytes, payloadBytes });
  } else if (kind === recordKind.changed) {
    const { nowMs, record: found } = decodeChanged(payload);
    restorer.at(nowMs);
    restorer.changed(found.id, found.standing, found.failure);
  } else if (kind === recordKind.gone) {
    const { nowMs, id } = decodeGone(payload);
    restorer.at(nowMs);
    restorer.gone(id);
  } else if (kind === recordKind.keys) {
    const { nowMs, keys } = decodeKeys(payload);
    restorer.at(nowMs);
    for (const key of keys) restorer.key(key, key.id);
  } else if (kind !== recordKind.names)
    throw new RangeError(`the mailbox log has a record of an unknown kind, ${kind}`);
}

/** Messages whose own record went bad: the names that were written beside it say which they were. */
export async function damagedMessages(journal: Journal): Promise<readonly NamedMessage[]> {
  const segments = new Set(journal.damage.filter(isLoss).map(({ segment }) => segment));
  if (segments.size === 0) return [];
  const missing = new Map<string, NamedMessage>();
  const present = new Set(journal.segments().map(({ segment }) => segment));
  for (const segment of segments) {
    if (!present.has(segment)) continue;
    await journal.replaySegment(segment, ({ kind, payload }) => {
      if (kind !== recordKind.names) return;
      for (const named of decodeNames(payload).named) missing.set(named.id, named);
    });
  }
  await journal.replay(({ kind, payload }) => {
    if (kind === recordKind.message) missing.delete(decodeMessage(payload).record.origin.id);
    else if (kind === recordKind.gone) missing.delete(decodeGone(payload).id);
  });
  return [...missing.values()];
}

/** Named at most. */
const missingMax = 100;

/** Damage that may have taken an acknowledged record with it. */
export function isLoss({ kind }: JournalDamage): boolean {
  return kind === 'record' || kind === 'last-write' || kind === 'segment';
}

/** Segments go from the oldest on: one that is not there between others was taken away by something else. */
export function missingSegments(journal: Journal): readonly number[] {
  const known = new Set(journal.damage.map(({ segment }) => segment));
  for (const { segment } of journal.segments()) known.add(segment);
  const missing: number[] = [];
  let expected = Math.min(...known);
  for (const id of [...known].sort((a, b) => a - b)) {
    // A stranger's file may have any number.
    for (; expected < id && missing.length < missingMax; expected += 1) missing.push(expected);
    expected = id + 1;
  }
  return missing;
}
