import { kmsContract } from '@ron/proto/kms';
import { defineService, type Ports } from '@ron/service';
import { KmsConfig } from './config.ts';
import { createCreate } from './handlers/create.ts';
import { createDestroy } from './handlers/destroy.ts';
import { createList } from './handlers/list.ts';
import { createMac } from './handlers/mac.ts';
import { createPublicKey } from './handlers/public-key.ts';
import { createRetire } from './handlers/retire.ts';
import { createRewrap } from './handlers/rewrap.ts';
import { createRotate } from './handlers/rotate.ts';
import { createSign } from './handlers/sign.ts';
import { createUnwrap } from './handlers/unwrap.ts';
import { createVerify } from './handlers/verify.ts';
import { createWrap } from './handlers/wrap.ts';
import type { Kms } from './kms.ts';

export { KmsConfig } from './config.ts';

/** Opened and closed by the profile: other services of the node sign with it too. */
export interface KmsEngines {
  readonly kms: Kms;
}

type KmsPorts = Ports<KmsConfig, Record<never, never>, KmsEngines>;

export const kms = defineService({
  contract: kmsContract,
  config: KmsConfig,
  uses: {},
  async start({ engines }: KmsPorts) {
    const keys = engines.kms;
    return {
      handlers: {
        create: createCreate(keys),
        list: createList(keys),
        public_key: createPublicKey(keys),
        sign: createSign(keys),
        verify: createVerify(keys),
        mac: createMac(keys),
        wrap: createWrap(keys),
        unwrap: createUnwrap(keys),
        rewrap: createRewrap(keys),
        rotate: createRotate(keys),
        retire: createRetire(keys),
        destroy: createDestroy(keys),
      },
      gates: () => [
        keys.failure === undefined
          ? { gate: 'kms-writable', ok: true }
          : { gate: 'kms-writable', ok: false, reason: keys.failure },
      ],
      // The kms is the profile's.
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
});
