export { JournalError, type JournalErrorReason } from './errors.ts';
export { type Journal, openJournal } from './journal.ts';
export type {
  JournalDamage,
  JournalOptions,
  JournalRecord,
  JournalVisitor,
  RecordLocation,
  RecordPlace,
  SegmentInfo,
} from './options.ts';
