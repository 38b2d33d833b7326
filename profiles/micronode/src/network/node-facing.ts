import type { Contract } from '@ron/proto/contract';

/** The operations that nodes ask of one another, and none that need another right (`net/…`). */
export function betweenNodes(contract: Contract): Contract {
  return pick(contract, ({ scopes }) => scopes.every(({ resource }) => resource.startsWith('net/')));
}

/** These operations. */
export function only<C extends Contract>(contract: C, ...names: readonly (keyof C['operations'] & string)[]): Contract {
  return pick(contract, (_, name) => names.includes(name));
}

type Operation = Contract['operations'][string];

function pick(contract: Contract, isServed: (operation: Operation, name: string) => boolean): Contract {
  const operations = Object.entries(contract.operations).filter(([name, operation]) => isServed(operation, name));
  return { ...contract, operations: Object.fromEntries(operations) };
}
