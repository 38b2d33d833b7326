import type { CallContext } from '@ron/proto/contract';
import type { NameAnswer } from '@ron/proto/names';
import type { Contact } from '@ron/proto/network';
import type { NameRecord } from './record.ts';

export interface FarName {
  readonly record: NameRecord;
  /** What of a path follows the name. */
  readonly rest: string;
  /** Milliseconds since the other node said so. */
  readonly ageMs: number;
}

/** What one node said, or did not. */
export interface FarAnswer {
  readonly node: Contact;
  readonly tookMs: number;
  readonly outcome: NameAnswer['outcome'];
  readonly found?: FarName;
  readonly error?: unknown;
}

export interface FarQuestion {
  readonly whole: boolean;
  readonly fresh: boolean;
  readonly signal: AbortSignal;
}

/** Names that other nodes keep, asked about what is not here. The profile says which nodes are believed. */
export interface NamesElsewhere {
  /**
   * The longest name that is the path or a folder above it; with `whole`, the path itself. Undefined when none of those who
   * answered has it. Ends with the signal. `fresh`: nothing that is remembered will do.
   */
  find(path: string, question: FarQuestion): Promise<FarName | undefined>;
  /** Asks all who come into question. In the order in which they are believed. */
  trace(path: string, signal: AbortSignal): Promise<readonly FarAnswer[]>;
}

/** Asks elsewhere, but not for another node: two that passed their questions on to each other would never end. */
export async function findElsewhere(
  elsewhere: NamesElsewhere | undefined,
  path: string,
  how: Pick<FarQuestion, 'whole' | 'fresh'>,
  call: { readonly context: Pick<CallContext, 'principal' | 'signal'> },
): Promise<FarName | undefined> {
  if (elsewhere === undefined || call.context.principal.node !== undefined) return undefined;
  return await elsewhere.find(path, { ...how, signal: call.context.signal });
}
