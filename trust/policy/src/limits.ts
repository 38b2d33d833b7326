import { type RouteClass, routeClasses } from '@ron/proto/contract';
import { bodyFields, mailboxFields, type PolicyDocument, rateFields } from './document.ts';

export type RateField = (typeof rateFields)[number];
export type LimitField = RateField | (typeof bodyFields)[number] | (typeof mailboxFields)[number];

/**
 * What a document allows one tenant of one limit; Infinity where it says nothing. What holds is the smaller of this
 * and the configuration.
 */
export function limitOf(document: PolicyDocument | undefined, field: LimitField, tenant = ''): number {
  const { quotas, body_limits } = document ?? {};
  const own = quotas?.tenants !== undefined && Object.hasOwn(quotas.tenants, tenant) ? quotas.tenants[tenant] : {};
  const stated =
    own?.[field as RateField] ??
    quotas?.[field as RateField] ??
    quotas?.mailbox?.[field as (typeof mailboxFields)[number]] ??
    body_limits?.[field as (typeof bodyFields)[number]];
  return stated ?? Number.POSITIVE_INFINITY;
}

/** The same of the calls of one class. */
export function classLimitOf(document: PolicyDocument | undefined, name: RouteClass, field: RateField): number {
  return document?.quotas?.classes?.[name]?.[field] ?? Number.POSITIVE_INFINITY;
}

/** A table of the configuration with every limit that the document names lowered to it; nothing is ever raised. */
export function lowered<T extends object>(table: T, document: PolicyDocument | undefined, tenant = ''): T {
  if (document === undefined) return table;
  const changed: Record<string, number> = {};
  const lower = (field: string, limit: number) => {
    const configured = (table as Readonly<Record<string, unknown>>)[field];
    if (typeof configured === 'number' && limit < configured) changed[field] = limit;
  };
  for (const field of [...rateFields, ...bodyFields, ...mailboxFields]) lower(field, limitOf(document, field, tenant));
  for (const name of routeClasses) {
    // `reads_per_second`, `reads_burst`, `reads_bytes_per_second`, `reads_bytes_burst` of the gateway's table.
    for (const field of rateFields) {
      lower(`${name}_${field.replace('requests_', '')}`, classLimitOf(document, name, field));
    }
  }
  return { ...table, ...changed };
}

/** Whether `path` is below a prefix, as capabilities mean it: equal, continued at a `/`, or past a final `/`. */
export function isUnder(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/';
}
