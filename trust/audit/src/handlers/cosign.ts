import type { auditContract } from '@ron/proto/audit';
import type { Handlers } from '@ron/proto/contract';
import type { Witness } from '../witness.ts';

export function createCosign(witness: Witness): Handlers<typeof auditContract>['cosign'] {
  return (input) => witness.cosign(input);
}
