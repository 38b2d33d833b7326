import { limits } from '@ron/oap';
import { limitOf, lowered, type PolicyDocument, type PolicyInForce } from '@ron/policy';
import type { LiveConfig } from '@ron/service';
import type { GatewayConfig, Rates, RatesOf } from '@ron/svc-gateway/service';
import type { Reads } from './config.ts';

/**
 * A table of the configuration as the policy in force leaves it: limits lowered, and what strangers may read replaced
 * where the document says so. A new document holds from the next request on.
 */
export function underPolicy<T extends object>(table: LiveConfig<T>, policy: PolicyInForce): LiveConfig<T> {
  let of:
    | { readonly table: Readonly<T>; readonly document: PolicyDocument | undefined; readonly result: T }
    | undefined;
  return {
    current() {
      const now = table.current();
      const document = policy.current()?.document;
      if (of?.table !== now || of.document !== document) {
        of = { table: now, document, result: withPrefixes(lowered(now as T, document), document) };
      }
      return of.result;
    },
    onChange(listener) {
      const tell = () => listener(this.current());
      const stack = new DisposableStack();
      stack.use(table.onChange(tell));
      stack.use(policy.onChange(tell));
      return stack;
    },
  };
}

function withPrefixes<T extends object>(table: T, document: PolicyDocument | undefined): T {
  const prefixes = document?.public_prefixes;
  return prefixes === undefined || !('public_prefixes' in table) ? table : { ...table, public_prefixes: prefixes };
}

/** Tenants that the document names have rates of their own; at most a thousand, so each is worked out once. */
export function ratesUnderPolicy(config: Reads<'gateway', GatewayConfig>, policy: PolicyInForce): RatesOf {
  let of: { readonly table: Rates; readonly document: PolicyDocument } | undefined;
  const known = new Map<string, Rates>();
  return (tenant, all) => {
    const document = policy.current()?.document;
    const tenants = document?.quotas?.tenants;
    if (document === undefined || tenants === undefined || !Object.hasOwn(tenants, tenant)) return all;
    const table = config.table('gateway').current();
    if (of?.table !== table || of.document !== document) {
      of = { table, document };
      known.clear();
    }
    const rates = known.get(tenant) ?? lowered(table, document, tenant);
    known.set(tenant, rates);
    return rates;
  };
}

/** Bytes of one request's JSON. */
export function controlBytesUnderPolicy(policy: PolicyInForce): number {
  return Math.min(limits.controlBodyBytesMax, limitOf(policy.current()?.document, 'control_bytes_max'));
}
