import { RonError } from '@ron/proto/errors';
import type { TSchema } from 'typebox';
import { fieldFaults } from './fault-text.ts';

export interface Validator {
  check(value: unknown): boolean;
  /** `bad_request` that names each field and its fault. */
  refusal(value: unknown, what: string): RonError;
}

const faultsMax = 8;
/** Entries of a value whose faults are looked for. The compiler finds all of them before the first is told: 300 ms for 1 MiB of wrong numbers. */
const entriesMax = 4_096;
let compiler: typeof import('typebox/compile') | undefined;

/** The schema compiler takes 130 ms to import: bindings load it after the first request or a quiet moment, not before the listener. */
export async function loadCompiler(): Promise<void> {
  compiler ??= await import('typebox/compile');
}

export function compilerLoaded(): boolean {
  return compiler !== undefined;
}

/** Compiles on first use: a node with 100 operations uses a handful of them. */
export function validatorOf(schema: TSchema): Validator {
  let compiled: ReturnType<typeof compile> | undefined;
  return {
    check(value) {
      compiled ??= compile(schema);
      return compiled.Check(value);
    },
    refusal(value, what) {
      compiled ??= compile(schema);
      const faults = hasMoreEntries(value, entriesMax)
        ? []
        : fieldFaults([...compiled.Errors(value)], value, faultsMax);
      const first = faults[0];
      const summary =
        first === undefined
          ? 'it does not fit its schema, and is too large to say where'
          : `${first.field} ${first.fault}`;
      return new RonError('bad_request', `${what}: ${summary}`, { details: { fields: faults } });
    },
  };
}

/** Whether there are more than so many members and items in it; stops counting there. */
function hasMoreEntries(value: unknown, max: number): boolean {
  let left = max;
  const waiting = [value];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const entries = Array.isArray(next) ? next : Object.values(next);
    left -= entries.length;
    if (left < 0) return true;
    for (const entry of entries) if (typeof entry === 'object' && entry !== null) waiting.push(entry);
  }
  return false;
}

function compile(schema: TSchema) {
  if (compiler === undefined) throw new Error('loadCompiler() must have resolved before the first validation');
  return compiler.Compile(schema);
}
