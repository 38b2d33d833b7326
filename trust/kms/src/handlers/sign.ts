import type { Handlers } from '@ron/proto/contract';
import type { kmsContract } from '@ron/proto/kms';
import { usedKey } from '../key-access.ts';
import type { Kms } from '../kms.ts';
import { encodeBase64, payloadBytes } from '../request-bytes.ts';

export function createSign(kms: Kms): Handlers<typeof kmsContract>['sign'] {
  return async (input, call) => {
    usedKey(input.kid, call);
    const signature = await kms.sign(input.kid, payloadBytes(input));
    return { kid: input.kid, signature_base64: encodeBase64(signature) };
  };
}
