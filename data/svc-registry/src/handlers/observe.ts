import type { Divergence } from '../divergence.ts';
import type { Meters } from '../meters.ts';
import { noHead } from '../refusal.ts';
import type { Registry } from '../registry.ts';
import type { RegistryHandler } from './handler.ts';

export function createObserve(
  registry: Registry,
  divergence: Divergence,
  { refused }: Meters,
): RegistryHandler<'observe'> {
  return async ({ node, ...claim }) => {
    const { head } = registry;
    if (head === undefined) throw noHead();
    const verdict = await divergence.observe(node, claim, head).catch(refused);
    return { verdict, version: head.version, id: head.id };
  };
}
