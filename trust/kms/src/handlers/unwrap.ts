import type { Handlers } from '@ron/proto/contract';
import type { kmsContract } from '@ron/proto/kms';
import { usedKey } from '../key-access.ts';
import type { Kms } from '../kms.ts';
import { aadBytes, encodeBase64, wrappedBytes } from '../request-bytes.ts';

export function createUnwrap(kms: Kms): Handlers<typeof kmsContract>['unwrap'] {
  return async ({ kid, wrapped_base64, aad_base64 }, call) => {
    usedKey(kid, call);
    using plaintext = await kms.unwrap(kid, wrappedBytes(wrapped_base64), aadBytes(aad_base64));
    return { plaintext_base64: encodeBase64(plaintext.bytes()) };
  };
}
