import { type Call, type Operation, type RouteClass, routeClassOf } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type Requirement, requirementsOf } from './access.ts';
import { checkAuditRule } from './audited.ts';
import type { DispatcherOptions } from './dispatcher.ts';
import type { OperationMeter, ServiceMeters } from './golden-metrics.ts';
import type { ShedKind } from './pressure.ts';
import { shedKindOf } from './pressure-gate.ts';
import { type Validator, validatorOf } from './validators.ts';

/** An operation with everything that a call of it needs, found once at start. */
export interface Bound {
  readonly name: string;
  readonly operation: Operation;
  readonly takesBody: boolean;
  readonly sendsBody: boolean;
  readonly shedKind: ShedKind;
  readonly routeClass: RouteClass;
  readonly validator: Validator;
  readonly requirements: readonly Requirement[];
  readonly handler: (input: unknown, call: Call) => unknown;
  readonly meter: OperationMeter;
}

/** Throws for a contract that its service does not keep, and for one that cannot be audited. */
export function bindOperations(
  { contract, running }: Pick<DispatcherOptions, 'contract' | 'running'>,
  meters: ServiceMeters,
): readonly Bound[] {
  return Object.entries(contract.operations).map(([name, operation]) => {
    const handler = running.handlers[name] as Bound['handler'] | undefined;
    if (handler === undefined) throw new Error(`service ${contract.name} has no handler for ${name}`);
    checkAuditRule(`${contract.name}.${name}`, operation);
    return {
      name,
      operation,
      takesBody: operation.body === 'in' || operation.body === 'both',
      sendsBody: operation.body === 'out' || operation.body === 'both',
      shedKind: shedKindOf(operation),
      routeClass: routeClassOf(operation),
      validator: validatorOf(operation.input),
      requirements: requirementsOf(operation, contract),
      handler,
      meter: meters.operation(name),
    };
  });
}

/** A code that the contract does not declare would surprise its callers: it becomes `internal`. */
export function asRefusal({ operation }: Bound, thrown: unknown): RonError {
  if (thrown instanceof RonError && (implicit.has(thrown.code) || operation.errors.includes(thrown.code)))
    return thrown;
  return new RonError('internal', 'the node failed on this request', { cause: thrown });
}

const implicit = new Set([
  'bad_request',
  'unauthenticated',
  'forbidden',
  'payload_too_large',
  'quota_exhausted',
  'unavailable',
  'deadline_exceeded',
  'request_timeout',
  'conflict',
  'internal',
]);
