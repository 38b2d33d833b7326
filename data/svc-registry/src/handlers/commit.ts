import type { Divergence } from '../divergence.ts';
import type { Meters } from '../meters.ts';
import type { Proposals } from '../proposals.ts';
import type { RegistryHandler } from './handler.ts';

export function createCommit(
  proposals: Proposals,
  divergence: Divergence,
  { refused }: Meters,
): RegistryHandler<'commit'> {
  return async ({ proposal }) => {
    const head = await proposals.commit(proposal).catch(refused);
    await divergence.review();
    return head;
  };
}
