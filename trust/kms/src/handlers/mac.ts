import type { Handlers } from '@ron/proto/contract';
import type { kmsContract } from '@ron/proto/kms';
import { usedKey } from '../key-access.ts';
import type { Kms } from '../kms.ts';
import { encodeBase64, payloadBytes } from '../request-bytes.ts';

export function createMac(kms: Kms): Handlers<typeof kmsContract>['mac'] {
  return (input, call) => {
    usedKey(input.kid, call);
    return { kid: input.kid, tag_base64: encodeBase64(kms.mac(input.kid, payloadBytes(input))) };
  };
}
