import type { Handlers } from '@ron/proto/contract';
import { type kmsContract, kmsRequestLimits } from '@ron/proto/kms';
import { usedKey } from '../key-access.ts';
import type { Kms } from '../kms.ts';
import { aadBytes, decodeBase64, encodeBase64 } from '../request-bytes.ts';

export function createWrap(kms: Kms): Handlers<typeof kmsContract>['wrap'] {
  return async ({ kid, plaintext_base64, aad_base64 }, call) => {
    usedKey(kid, call);
    const aad = aadBytes(aad_base64);
    const plaintext = decodeBase64(plaintext_base64, kmsRequestLimits.plaintextBytesMax, 'plaintext_base64');
    try {
      return { kid, wrapped_base64: encodeBase64(await kms.wrap(kid, plaintext, aad)) };
    } finally {
      plaintext.fill(0);
    }
  };
}
