import type { Env } from '@ron/kernel';
import { KeyRing } from './key-ring.ts';
import type { Kms } from './kms.ts';

/** Keys in memory only: they die with the process, and with them everything that they signed for. Also the engine of simulations. */
export function createRamKms(env: Pick<Env, 'clock' | 'random'>): Kms {
  const ring = new KeyRing();
  return {
    durability: 'memory',
    async createKey(request) {
      ring.refuseWhenFull();
      return ring.add(KeyRing.generate(request, env.clock, env.random));
    },
    listKeys: (filter) => ring.list(filter),
    sign: (kid, bytes) => ring.sign(kid, bytes),
    verify: (kid, bytes, signature) => ring.verify(kid, bytes, signature),
    publicKey: (kid) => ring.publicKey(kid),
    mac: (kid, bytes) => ring.mac(kid, bytes),
    async [Symbol.asyncDispose]() {
      ring.clear();
    },
  };
}
