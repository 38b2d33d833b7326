import { createSimEnv } from '@ron/kernel/sim';
import type { Call, Contract, Operation } from '@ron/proto/contract';
import { Type } from 'typebox';
import type { AuthenticatedPrincipal } from '../access.ts';
import { createDispatcher } from '../dispatch.ts';
import type { DispatcherOptions, Incoming } from '../dispatcher.ts';
import { principal, testHost } from './echo-service.ts';

export type AnyHandler = (input: never, call: Call) => unknown;

const shape = {
  summary: 'for a test',
  input: Type.Object({}),
  output: Type.Object({}),
  errors: [],
  scopes: [],
} satisfies Operation;

/** A contract of the given operations, each with as much of an `Operation` as its test is about. */
export function contractOf(operations: Readonly<Record<string, Partial<Operation>>>): Contract {
  return {
    name: 'probe',
    app: 0x8002,
    operations: Object.fromEntries(Object.entries(operations).map(([name, own]) => [name, { ...shape, ...own }])),
  };
}

/** A pipeline over handlers, on virtual time: `run` drives it until the promise settles. */
export function startPipeline(
  operations: Readonly<Record<string, Partial<Operation> & { readonly handler: AnyHandler }>>,
  options: Partial<DispatcherOptions> & { readonly as?: Partial<AuthenticatedPrincipal> } = {},
) {
  const env = createSimEnv({ seed: 1 });
  const host = testHost({ env });
  const contract = contractOf(operations);
  const who = { ...principal(() => true), ...options.as };
  const handlers = Object.fromEntries(Object.entries(operations).map(([name, { handler }]) => [name, handler]));
  const dispatcher = createDispatcher({
    ...host,
    contract,
    running: { handlers: handlers as never, [Symbol.asyncDispose]: async () => undefined },
    authenticator: { authenticate: () => who },
    ...options,
  });
  return {
    env,
    dispatcher,
    contract,
    metrics: host.metrics,
    run: <T>(work: Promise<T>) => env.scheduler.settle(work),
    call: (operation: string, incoming: Partial<Incoming> = {}) =>
      dispatcher.dispatch({
        operation,
        input: {},
        credential: {},
        corrId: 'corr-id-1',
        remote: 'test',
        ...incoming,
      }),
  };
}
