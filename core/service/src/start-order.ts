import type { Service } from './define.ts';

/** Used services first. Throws when one is missing or there twice, or they use each other in a circle. */
export function startOrder(services: readonly Service[]): readonly Service[] {
  const byName = new Map(services.map((service) => [service.contract.name, service]));
  if (byName.size < services.length) throw new Error('two services have the same name');
  const ordered: Service[] = [];
  const open = new Set<string>();
  const visit = (service: Service): void => {
    const { name } = service.contract;
    if (ordered.includes(service)) return;
    if (open.has(name)) throw new Error(`services use each other in a circle: ${[...open, name].join(' → ')}`);
    open.add(name);
    for (const contract of Object.values(service.uses)) {
      const used = byName.get(contract.name);
      if (used === undefined) throw new Error(`${name} uses ${contract.name}, which is not among the services`);
      visit(used);
    }
    open.delete(name);
    ordered.push(service);
  };
  for (const service of services) visit(service);
  return ordered;
}
