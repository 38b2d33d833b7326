import type { Proposals } from '../proposals.ts';
import type { RegistryHandler } from './handler.ts';

export function createProposals(proposals: Proposals): RegistryHandler<'proposals'> {
  return async () => ({ proposals: proposals.list() });
}
