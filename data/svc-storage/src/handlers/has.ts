import type { Address } from '@ron/naming';
import type { Holding } from '../holding.ts';
import type { StorageHandler } from './operation.ts';

/** What is said to be present is live when the answer leaves, and stays for the grace time. Damaged objects are missing. */
export function has(holding: Holding): StorageHandler<'has'> {
  return async ({ addresses }) => {
    const present: string[] = [];
    const missing: string[] = [];
    for (const address of addresses) {
      const object = await holding.hold(address as Address);
      (object === undefined ? missing : present).push(address);
    }
    return { present, missing };
  };
}
