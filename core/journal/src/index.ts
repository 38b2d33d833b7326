export { JournalError, type JournalErrorReason } from './errors.ts';
export { recordBytes, recordsStart } from './format.ts';
export { type Journal, openJournal } from './journal.ts';
export type {
  JournalDamage,
  JournalOptions,
  JournalRecord,
  JournalVisitor,
  NewRecord,
  RecordLocation,
  RecordPlace,
  SegmentInfo,
} from './options.ts';
export {
  type Change,
  createRamTable,
  type Decision,
  openTable,
  type Table,
  type TableLimits,
  type TableOptions,
  type TableView,
} from './table.ts';
