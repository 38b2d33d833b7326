import type { Right } from '@ron/proto/capability';
import type { Contract } from '@ron/proto/contract';

/** The least that a service needs to call every operation of a contract: what a profile grants for one `uses`. */
export function rightsFor(contract: Contract): readonly Right[] {
  const byPrefix = new Map<string, Set<Right['methods'][number]>>();
  for (const { scopes } of Object.values(contract.operations)) {
    for (const { method, resource } of scopes) {
      const field = resource.indexOf('{');
      const prefix = field < 0 ? resource : resource.slice(0, field);
      const methods = byPrefix.get(prefix) ?? new Set();
      byPrefix.set(prefix, methods.add(method));
    }
  }
  return [...byPrefix].map(([prefix, methods]) => ({ methods: [...methods], prefix }));
}
