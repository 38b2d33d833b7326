import type { CallContext } from '@ron/proto/contract';
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

/** Asks elsewhere, but not for another node: two that passed their questions on to each other would never end. */
export async function findElsewhere(
  elsewhere: NamesElsewhere | undefined,
  path: string,
  whole: boolean,
  call: { readonly context: Pick<CallContext, 'principal' | 'signal'> },
): Promise<FarName | undefined> {
  if (elsewhere === undefined || call.context.principal.node !== undefined) return undefined;
  return await elsewhere.find(path, whole, call.context.signal);
}
