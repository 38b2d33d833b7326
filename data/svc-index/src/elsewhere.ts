import type { NameRecord } from './record.ts';

export interface FarName {
  readonly record: NameRecord;
  /** What of a path follows the name. */
  readonly rest: string;
}

/** Names that other nodes keep, asked about what is not here. The profile says which nodes are believed. */
export interface NamesElsewhere {
  /**
   * The longest name that is the path or a folder above it; with `whole`, the path itself. Undefined when none of those who
   * answered has it. Ends with the signal.
   */
  find(path: string, whole: boolean, signal: AbortSignal): Promise<FarName | undefined>;
}
