import { RonError } from '@ron/proto/errors';
import type { TSchema } from 'typebox';

export interface Validator {
  check(value: unknown): boolean;
  /** `bad_request` that names each field and its fault. */
  refusal(value: unknown, what: string): RonError;
}

const faultsMax = 8;
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
      const faults = [...compiled.Errors(value)]
        .filter((fault) => fault.keyword !== 'boolean')
        .slice(0, faultsMax)
        .map((fault) => ({
          field: fault.instancePath === '' ? '/' : fault.instancePath,
          fault: unknownFields(fault) ?? fault.message,
        }));
      const first = faults[0];
      const summary = first === undefined ? 'it does not fit its schema' : `${first.field} ${first.fault}`;
      return new RonError('bad_request', `${what}: ${summary}`, { details: { fields: faults } });
    },
  };
}

function compile(schema: TSchema) {
  if (compiler === undefined) throw new Error('loadCompiler() must have resolved before the first validation');
  return compiler.Compile(schema);
}

function unknownFields(fault: { keyword: string; params: object }): string | undefined {
  if (fault.keyword !== 'additionalProperties') return undefined;
  const names = (fault.params as { additionalProperties?: readonly string[] }).additionalProperties ?? [];
  return `has unknown fields: ${names
    .slice(0, 5)
    .map((name) => name.slice(0, 64))
    .join(', ')}`;
}
