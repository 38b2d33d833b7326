import type { Disk, File } from '@ron/kernel';
import { JournalError } from './errors.ts';
import {
  closeKind,
  decodeSegmentHeader,
  encodeRecordHead,
  encodeSegmentHeader,
  recordHeadBytes,
  recordsStart,
  saltChecksum,
} from './format.ts';
import type { JournalDamage, JournalOptions, JournalVisitor, Limits } from './options.ts';
import { type BadRegion, type ScannedRecord, type ScanResult, scanSegment } from './scan.ts';
import { readSegmentIndex, SegmentIndexBuilder } from './segment-index.ts';
import type { Segment, SegmentSet } from './segments.ts';

export interface Recovered {
  /** The segment to go on with, if there is a usable one. */
  readonly last: Segment | undefined;
  readonly lastIsClosed: boolean;
  readonly nextSegment: number;
  readonly nextSequence: number;
  readonly damage: readonly JournalDamage[];
  /** Sealed segments that should have an index file and have none. */
  readonly unindexed: readonly Segment[];
}

export interface Ground {
  readonly disk: Disk;
  readonly folder: string;
  readonly limits: Limits;
  readonly keptBytes: JournalOptions['keptBytes'];
  readonly segments: SegmentSet;
}

/** Reads what is there, hands it to `visit`, and cuts what an interrupted write left at the end. */
export async function recover(ground: Ground, visit: JournalVisitor | undefined): Promise<Recovered> {
  const ids = await listSegments(ground);
  const damage: JournalDamage[] = [];
  const unindexed: Segment[] = [];
  let last: Segment | undefined;
  let lastIsClosed = false;
  let nextSequence = 1;
  for (const id of ids) {
    const final = id === ids.at(-1);
    const segment = await openSegment(ground, id, final, damage);
    if (segment === undefined) continue;
    nextSequence = Math.max(nextSequence, segment.firstSequence);
    const result = await visitSegment(ground, segment, final, visit);
    nextSequence = Math.max(nextSequence, result.lastSequence + 1);
    segment.endBytes = result.endBytes;
    noteDamage(segment, result, final, damage);
    if (final) {
      lastIsClosed = result.closed;
      if (result.tornBytes > 0) await cutTail(segment);
      for (const gap of result.bad) if (!gap.acknowledged) await fillGap(segment, gap, ground.limits.recordBytesMax);
      await makeDurable(segment, result.lastBatchBytes);
      last = segment;
    } else {
      if (!result.indexed && ground.keptBytes !== undefined) unindexed.push(segment);
      await ground.segments.seal(segment);
    }
  }
  // A segment whose creation was interrupted between its rename and the sync of the folder.
  if (last !== undefined) await ground.disk.syncDirectory(ground.folder);
  return { last, lastIsClosed, nextSegment: (ids.at(-1) ?? 0) + 1, nextSequence, damage, unindexed };
}

interface Visited extends ScanResult {
  readonly indexed: boolean;
  readonly closed: boolean;
  /** Where the last write of the segment begins. */
  readonly lastBatchBytes: number;
}

/** Hands the records of one segment to `visit`: from its index where it is sealed and has a good one. */
export async function visitSegment(
  ground: Ground,
  segment: Segment,
  whole: boolean,
  visit: JournalVisitor | undefined,
): Promise<Visited> {
  const { segments, keptBytes, limits } = ground;
  if (!whole && keptBytes !== undefined) {
    const index = await readSegmentIndex(ground.disk, segments.path(segment.id, 'idx'), segment.salt);
    if (index !== undefined) {
      await index.visit(({ kept, ...record }) =>
        record.kind === closeKind ? undefined : visit?.({ ...record, segment: segment.id, payload: kept }),
      );
      const { endBytes, lastSequence } = index;
      return { endBytes, lastSequence, bad: [], tornBytes: 0, indexed: true, closed: false, lastBatchBytes: endBytes };
    }
  }
  let closed = false;
  let lastBatchBytes = recordsStart;
  const result = await segments.using(segment, async (file) =>
    scanSegment({
      file,
      sizeBytes: segment.sealed || segment.endBytes > recordsStart ? segment.endBytes : await file.size(),
      salted: segment.salted,
      firstSequence: segment.firstSequence,
      recordBytesMax: limits.recordBytesMax,
      visit: (record) => {
        closed = record.kind === closeKind;
        if (record.batchStart) lastBatchBytes = record.offsetBytes;
        if (closed || visit === undefined) return;
        const { batchStart: _, ...rest } = record;
        return visit({ ...rest, segment: segment.id });
      },
    }),
  );
  return { ...result, indexed: false, closed, lastBatchBytes };
}

/** Writes the index of a sealed, undamaged segment; returns whether there is one now. */
export async function writeSegmentIndex(ground: Ground, segment: Segment): Promise<boolean> {
  const { disk, segments, limits, keptBytes } = ground;
  if (keptBytes === undefined) return false;
  const builder = new SegmentIndexBuilder();
  const visit = (record: ScannedRecord) => builder.add(record, keptBytes(record.kind, record.payloadBytes));
  const { salted, firstSequence, endBytes } = segment;
  const result = await segments.using(segment, (file) =>
    scanSegment({ file, sizeBytes: endBytes, salted, firstSequence, recordBytesMax: limits.recordBytesMax, visit }),
  );
  // Without an index the damage is found, and reported, at every start.
  if (result.bad.length > 0 || result.endBytes !== endBytes) return false;
  const temporary = segments.path(segment.id, 'new');
  await disk.remove(temporary);
  const file = await disk.open(temporary, 'create');
  try {
    await file.write([builder.finish(segment.salt, endBytes)], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, segments.path(segment.id, 'idx'));
  await disk.syncDirectory(ground.folder);
  return true;
}

/** The ids of the segments, ascending. What unfinished creations and removals left is removed. */
async function listSegments({ disk, folder, segments }: Ground): Promise<number[]> {
  const names = await disk.list(folder);
  const ids: number[] = [];
  for (const name of names) {
    const match = /^([0-9a-f]{8})\.log$/.exec(name);
    if (match?.[1] === undefined) continue;
    const stat = await disk.stat(`${folder}/${name}`);
    if (stat?.kind !== 'file') throw new JournalError('invalid', `${folder}/${name} is not a plain file`);
    ids.push(Number.parseInt(match[1], 16));
  }
  for (const name of names) {
    const match = /^([0-9a-f]{8})\.(new|idx)$/.exec(name);
    if (match?.[1] === undefined) continue;
    const id = Number.parseInt(match[1], 16);
    if (match[2] === 'new' || !ids.includes(id)) await disk.remove(segments.path(id, match[2] as 'new' | 'idx'));
  }
  return ids.sort((left, right) => left - right);
}

async function openSegment(
  { disk, segments }: Ground,
  id: number,
  final: boolean,
  damage: JournalDamage[],
): Promise<Segment | undefined> {
  const file = await disk.open(segments.path(id, 'log'), final ? 'readwrite' : 'read');
  const header = await readHeader(file);
  if (header === undefined || header.segment !== id) {
    damage.push({ segment: id, startBytes: 0, endBytes: await file.size(), kind: 'segment' });
    await file.close();
    return undefined;
  }
  if (header.damaged) {
    damage.push({ segment: id, startBytes: 0, endBytes: recordsStart, kind: 'header' });
    await repairHeader(disk, segments.path(id, 'log'), encodeSegmentHeader(header));
  }
  const { salt, firstSequence } = header;
  const salted = saltChecksum(salt);
  const segment = { id, salt, salted, firstSequence, endBytes: recordsStart, sealed: false, file, users: 0 };
  segments.add(segment);
  return segment;
}

async function readHeader(file: File) {
  const bytes = new Uint8Array(recordsStart);
  return file.readSync(bytes, 0) === recordsStart ? decodeSegmentHeader(bytes) : undefined;
}

/** One copy is still good: make it two again before it goes as well. */
async function repairHeader(disk: Disk, path: string, header: Uint8Array): Promise<void> {
  const file = await disk.open(path, 'readwrite');
  try {
    await file.write([header], 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

function noteDamage(segment: Segment, result: ScanResult, final: boolean, damage: JournalDamage[]): void {
  for (const { startBytes, endBytes, acknowledged } of result.bad) {
    const kind = acknowledged || !final ? 'record' : 'last-write';
    damage.push({ segment: segment.id, startBytes, endBytes, kind });
  }
  if (result.tornBytes === 0) return;
  const endBytes = result.endBytes + result.tornBytes;
  // A segment is only left behind when all of it is synced: nothing at its end can be a torn write.
  const kind = final ? 'tail' : 'record';
  damage.push({ segment: segment.id, startBytes: result.endBytes, endBytes, kind });
}

/** One write to the file when it is made durable again. */
const rewriteBytes = 1024 * 1024;

/**
 * What was read may have come from memory alone: the process before this one was killed between a write and its sync,
 * or the sync failed, and then the system takes the pages for clean although the disk never got them. From here on
 * callers rely on it, so the header and the last write are written again and synced; what came before had been synced.
 */
async function makeDurable({ file, endBytes }: Segment, lastBatchBytes: number): Promise<void> {
  if (file === undefined) return;
  await rewrite(file, 0, recordsStart);
  for (let start = lastBatchBytes; start < endBytes; start += rewriteBytes) {
    await rewrite(file, start, Math.min(endBytes, start + rewriteBytes));
  }
  await file.sync();
}

async function rewrite(file: File, startBytes: number, endBytes: number): Promise<void> {
  const bytes = new Uint8Array(endBytes - startBytes);
  const read = await file.read(bytes, startBytes);
  await file.write([bytes.subarray(0, read)], startBytes);
}

async function cutTail({ file, endBytes }: Segment): Promise<void> {
  await file?.truncate(endBytes);
  await file?.sync();
}

/**
 * What a power cut tore out of the last write becomes records of the journal's own kind, so that a later start, which
 * then sees writes behind it, does not take it for bytes that went bad after they were acknowledged.
 */
async function fillGap({ file, salted }: Segment, gap: BadRegion, recordBytesMax: number): Promise<void> {
  const length = gap.endBytes - gap.startBytes;
  const records = Math.ceil(length / (recordHeadBytes + recordBytesMax));
  const share = Math.floor(length / records);
  for (let index = 0; index < records; index++) {
    const offset = gap.startBytes + index * share;
    const end = index === records - 1 ? gap.endBytes : offset + share;
    const payload = new Uint8Array(end - offset - recordHeadBytes);
    const head = Buffer.alloc(recordHeadBytes);
    const record = { sequence: gap.afterSequence + 1 + index, kind: closeKind, payload: [payload] };
    encodeRecordHead(head, 0, record, payload.byteLength, salted);
    await file?.write([head, payload], offset);
  }
  await file?.sync();
}
