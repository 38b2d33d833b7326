import type { auditContract } from '@ron/proto/audit';
import type { Handlers } from '@ron/proto/contract';
import { encodeVerifierKey } from '@ron/tlog';
import type { LogSigner } from '../signer.ts';

export function createKey(signer: LogSigner): Handlers<typeof auditContract>['key'] {
  return () => ({
    origin: signer.origin,
    keys: signer.keys().map(encodeVerifierKey),
    witness_key: encodeVerifierKey(signer.witnessKey()),
  });
}
