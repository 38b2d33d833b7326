import type { Meters } from '../meters.ts';
import type { Proposals } from '../proposals.ts';
import type { RegistryHandler } from './handler.ts';

export function createPropose(
  proposals: Proposals,
  nextExpiry: () => number,
  { refused }: Meters,
): RegistryHandler<'propose'> {
  return ({ changes, expires_at, expected_version }, { context }) =>
    proposals
      .propose({
        changes,
        expiresAt: expires_at ?? nextExpiry(),
        expectedVersion: expected_version,
        proposedBy: context.principal.subject,
      })
      .catch(refused);
}
