import type { Handlers } from '@ron/proto/contract';
import type { kmsContract } from '@ron/proto/kms';
import { seenKey } from '../key-access.ts';
import { noSuchKey } from '../key-ring.ts';
import type { Kms } from '../kms.ts';
import { encodeBase64 } from '../request-bytes.ts';

export function createPublicKey(kms: Kms): Handlers<typeof kmsContract>['public_key'] {
  return ({ kid }, call) => {
    const { tenant, purpose, alg } = seenKey(kid, call);
    const info = kms.listKeys({ tenant, purpose, alg }).find((each) => each.kid === kid);
    if (info === undefined) throw noSuchKey();
    return { kid, alg, state: info.state, public_key_base64: encodeBase64(kms.publicKey(kid)) };
  };
}
