import type { Env } from '@ron/kernel';
import { KeyChanges } from './key-changes.ts';
import { KeyRing } from './key-ring.ts';
import { KeyWork } from './key-work.ts';
import type { Kms } from './kms.ts';
import { OperationMemory } from './operation-memory.ts';

/** Keys in memory only: they die with the process, and with them everything that they signed for. Also the engine of simulations. */
export function createRamKms(env: Pick<Env, 'clock' | 'random' | 'work'>): Kms {
  const ring = new KeyRing();
  // Nothing has to be stored before a change is applied.
  const changes = new KeyChanges(ring, new OperationMemory(), env, async () => undefined);
  const work = new KeyWork(ring, env.random);
  return {
    ...work,
    createKey: (request, options) => changes.createKey(request, options),
    rotateKey: (kid, options) => changes.rotateKey(kid, options),
    retireKey: (kid, options) => changes.retireKey(kid, options),
    destroyKey: (kid, options) => changes.destroyKey(kid, options),
    durability: 'memory',
    get generation() {
      return ring.generation;
    },
    async [Symbol.asyncDispose]() {
      ring.clear();
    },
  };
}
