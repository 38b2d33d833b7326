import type { Handlers } from '@ron/proto/contract';
import type { kmsContract } from '@ron/proto/kms';
import { seenKey, usedKey } from '../key-access.ts';
import type { Kms } from '../kms.ts';
import { decodeBase64, payloadBytes } from '../request-bytes.ts';

const signatureBytesMax = 4_096;

/** Signatures of the node's keys are checked for anyone; its tags are not, because only who can make a tag checks one. */
export function createVerify(kms: Kms): Handlers<typeof kmsContract>['verify'] {
  return (input, call) => {
    const { alg } = seenKey(input.kid, call);
    const bytes = payloadBytes(input);
    const signature = decodeBase64(input.signature_base64, signatureBytesMax, 'signature_base64');
    if (alg !== 'hmac') return { valid: kms.verify(input.kid, bytes, signature) };
    usedKey(input.kid, call);
    return { valid: kms.verifyMac(input.kid, bytes, signature) };
  };
}
