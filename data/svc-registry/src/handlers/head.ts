import { noHead } from '../refusal.ts';
import type { Registry } from '../registry.ts';
import type { RegistryHandler } from './handler.ts';

export function createHead(registry: Registry): RegistryHandler<'head'> {
  return () => {
    const { head } = registry;
    if (head === undefined) throw noHead();
    return head;
  };
}
