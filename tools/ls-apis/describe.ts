/** The parts of a contract and a service that are printed, as plain structure: this tool imports no package. */
export interface ApiOperation {
  readonly scopes: readonly { readonly method: string; readonly resource: string }[];
  readonly errors: readonly string[];
  readonly body?: string;
  readonly mutation?: true;
  readonly http?: readonly { readonly method: string; readonly path: string }[];
}

export interface ApiContract {
  readonly name: string;
  readonly app: number;
  readonly operations: Readonly<Record<string, ApiOperation>>;
}

export interface ApiService {
  /** `svc-storage`. */
  readonly packageName: string;
  readonly contract: ApiContract;
  readonly uses: Readonly<Record<string, ApiContract>>;
}

/** Finds the service among the values that a `service.ts` exports. */
export function serviceIn(packageName: string, exported: Readonly<Record<string, unknown>>): ApiService {
  const services = Object.values(exported).filter(isService);
  const [service] = services;
  if (service === undefined || services.length > 1) {
    throw new Error(`${packageName}/service exports ${services.length} services, expected one made by defineService`);
  }
  return { packageName, contract: service.contract, uses: service.uses };
}

function isService(
  value: unknown,
): value is { contract: ApiContract; uses: Record<string, ApiContract>; start: unknown } {
  if (typeof value !== 'object' || value === null) return false;
  const { contract, uses, start } = value as Record<string, unknown>;
  return typeof contract === 'object' && contract !== null && typeof uses === 'object' && typeof start === 'function';
}

/**
 * Contracts in the order in which their services can start: each after all that it uses, ties by name.
 * Throws on a cycle, on a contract that nothing provides, and on one that two services provide.
 */
export function startOrder(services: readonly ApiService[]): readonly string[] {
  const byContract = new Map<string, ApiService>();
  for (const service of [...services].sort((left, right) => (left.contract.name < right.contract.name ? -1 : 1))) {
    const other = byContract.get(service.contract.name);
    if (other !== undefined) {
      throw new Error(`${other.packageName} and ${service.packageName} both provide ${service.contract.name}`);
    }
    byContract.set(service.contract.name, service);
  }
  const order: string[] = [];
  const visit = (name: string, path: readonly string[]): void => {
    if (order.includes(name)) return;
    if (path.includes(name)) throw new Error(`cycle: ${[...path.slice(path.indexOf(name)), name].join(' → ')}`);
    const service = byContract.get(name);
    if (service === undefined) throw new Error(`${path.at(-1)} uses ${name}, and no service provides it`);
    for (const used of usedNames(service)) visit(used, [...path, name]);
    order.push(name);
  };
  for (const name of byContract.keys()) visit(name, []);
  return order;
}

/** What each service exposes and consumes, and the order in which they start. Stable text for a golden file. */
export function describeApis(services: readonly ApiService[]): string {
  const order = startOrder(services);
  const blocks = [...services]
    .sort((left, right) => (left.packageName < right.packageName ? -1 : 1))
    .map((service) => describeService(service));
  return `${[...blocks, `start order: ${order.length === 0 ? '(no services)' : order.join(', ')}`].join('\n\n')}\n`;
}

function describeService(service: ApiService): string {
  const { packageName, contract } = service;
  const uses = usedNames(service);
  const lines = [`${packageName}: contract ${contract.name}, app 0x${contract.app.toString(16).padStart(4, '0')}`];
  lines.push(`  uses ${uses.length === 0 ? 'nothing' : uses.join(', ')}`);
  for (const name of Object.keys(contract.operations).sort()) {
    const operation = contract.operations[name]!;
    const marks = [operation.mutation ? 'mutation' : '', operation.body === undefined ? '' : `body ${operation.body}`];
    lines.push(`  ${[name, ...marks.filter((mark) => mark !== '')].join(', ')}`);
    const scopes = operation.scopes.map(({ method, resource }) => `${method} ${resource}`);
    lines.push(`    scopes ${scopes.length === 0 ? 'none: open to everyone' : scopes.join(' and ')}`);
    if (operation.errors.length > 0) lines.push(`    errors ${[...operation.errors].sort().join(', ')}`);
    for (const route of operation.http ?? []) lines.push(`    ${route.method} ${route.path}`);
  }
  return lines.join('\n');
}

function usedNames(service: ApiService): readonly string[] {
  return [...new Set(Object.values(service.uses).map((contract) => contract.name))].sort();
}

/** The first difference of two texts, for people. Undefined when they are equal. */
export function firstDifference(golden: string, actual: string): string | undefined {
  if (golden === actual) return undefined;
  const goldenLines = golden.split('\n');
  const actualLines = actual.split('\n');
  const at = actualLines.findIndex((line, index) => line !== goldenLines[index]);
  const line = at === -1 ? actualLines.length : at;
  return `line ${line + 1}\n  golden: ${goldenLines[line] ?? '(end)'}\n  now:    ${actualLines[line] ?? '(end)'}`;
}
