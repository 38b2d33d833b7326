import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { kmsContract } from '@ron/proto/kms';
import { isReserved, reserved } from '../key-access.ts';
import { keyEntry } from '../key-entry.ts';
import type { Kms } from '../kms.ts';
import { requestedChange } from '../requested-change.ts';

export function createCreate(kms: Kms): Handlers<typeof kmsContract>['create'] {
  return async (input, call) => {
    const own = call.context.tenant;
    const tenant = input.tenant ?? own;
    if (tenant === '') {
      const message = 'say whose key it is: this capability is bound to no tenant';
      throw new RonError('bad_request', message, { details: { field: 'tenant' } });
    }
    if (own !== '' && tenant !== own) {
      throw new RonError('forbidden', 'the key would be another tenant’s', { details: { reason: 'tenant' } });
    }
    const request = { tenant, purpose: input.purpose, alg: input.alg };
    if (isReserved(request)) throw reserved('keys of this tenant or purpose are made by the node itself');
    return keyEntry(await requestedChange(input, call, (options) => kms.createKey(request, options)));
  };
}
