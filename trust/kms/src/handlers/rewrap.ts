import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type kmsContract, kmsRequestLimits } from '@ron/proto/kms';
import { usedKey } from '../key-access.ts';
import type { Kms, RewrapResult } from '../kms.ts';
import { aadBytes, encodeBase64, wrappedBytes } from '../request-bytes.ts';

export function createRewrap(kms: Kms): Handlers<typeof kmsContract>['rewrap'] {
  return async ({ kid, items }, call) => {
    usedKey(kid, call);
    const { rewrapCharactersMax } = kmsRequestLimits;
    const characters = items.reduce(
      (sum, item) => sum + item.wrapped_base64.length + (item.aad_base64?.length ?? 0),
      0,
    );
    if (characters > rewrapCharactersMax) {
      const message = `one call takes at most ${rewrapCharactersMax} characters of items: send fewer at once`;
      throw new RonError('payload_too_large', message, { details: { field: 'items' } });
    }
    const decoded = items.map((item) => ({
      wrapped: wrappedBytes(item.wrapped_base64),
      aad: aadBytes(item.aad_base64),
    }));
    const { results, ...report } = await kms.rewrap(kid, decoded);
    return { ...report, results: results.map(resultEntry) };
  };
}

function resultEntry(result: RewrapResult) {
  if (result.outcome === 'failed') return { outcome: result.outcome };
  return { outcome: result.outcome, wrapped_base64: encodeBase64(result.wrapped) };
}
