import type { Env } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { planDestruction } from './destruction.ts';
import { parseKeyId } from './key-id.ts';
import { type HeldKey, type KeyRing, noSuchKey, notActive, type RingChange } from './key-ring.ts';
import type { ChangeOptions, Destruction, EndOptions, KeyInfo, KeyRequest, KeyState, Kms } from './kms.ts';
import type { OperationMemory, RememberedOperation } from './operation-memory.ts';
import { createStoredKey } from './stored-key.ts';

/** Makes a change durable, or rejects and leaves everything as it was. */
export type Commit = (change: RingChange, operation: RememberedOperation | undefined) => Promise<void>;

interface Plan {
  /** The key that the answer is about. */
  readonly kid: string;
  /** Undefined when everything is as it was asked for already. */
  readonly change?: RingChange;
}

interface Wanted {
  readonly tenant: string;
  /** Everything that distinguishes one request from another. */
  readonly request: readonly (string | boolean)[];
  readonly opId: string | undefined;
  readonly plan: () => Plan;
}

/**
 * The changes of a keystore, one after the other: looked up by operation id, planned on the ring as it is, stored by
 * the engine, applied.
 */
export class KeyChanges implements Pick<Kms, 'createKey' | 'rotateKey' | 'retireKey' | 'destroyKey'> {
  readonly #ring: KeyRing;
  readonly #memory: OperationMemory;
  readonly #env: Pick<Env, 'clock' | 'random' | 'work'>;
  readonly #commit: Commit;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(ring: KeyRing, memory: OperationMemory, env: Pick<Env, 'clock' | 'random' | 'work'>, commit: Commit) {
    this.#ring = ring;
    this.#memory = memory;
    this.#env = env;
    this.#commit = commit;
  }

  async createKey(request: KeyRequest, options: ChangeOptions = {}): Promise<KeyInfo> {
    const { tenant, purpose, alg } = request;
    const plan = () => {
      this.#ring.refuseWhenFull(tenant);
      const fresh = createStoredKey(request, this.#env);
      return { kid: fresh.kid, change: { added: [fresh] } };
    };
    const kid = await this.#change({ tenant, request: ['create', tenant, purpose, alg], opId: options.opId, plan });
    return this.#info(kid, 'active');
  }

  async rotateKey(kid: string, options: ChangeOptions = {}): Promise<KeyInfo> {
    const tenant = tenantOf(kid);
    const plan = () => {
      const { info } = this.#live(kid);
      if (info.state !== 'active') throw notActive();
      this.#ring.refuseWhenFull(tenant);
      const next = createStoredKey(info, this.#env, parseKeyId(kid));
      return { kid: next.kid, change: { added: [next], states: new Map([[kid, 'verifying' as const]]) } };
    };
    const made = await this.#change({ tenant, request: ['rotate', kid], opId: options.opId, plan });
    return this.#info(made, 'active');
  }

  async retireKey(kid: string, options: EndOptions = {}): Promise<KeyInfo> {
    const { opId, evenActive = false } = options;
    const plan = () => {
      const held = this.#ring.get(kid);
      if (held?.info.state === 'retired') return { kid };
      refuseActive(this.#live(kid), evenActive);
      return { kid, change: { states: new Map([[kid, 'retired' as const]]) } };
    };
    await this.#change({ tenant: tenantOf(kid), request: ['retire', kid, evenActive], opId, plan });
    return this.#info(kid, 'retired');
  }

  async destroyKey(kid: string, options: EndOptions = {}): Promise<Destruction> {
    const { opId, evenActive = false } = options;
    const plan = () => {
      const held = this.#ring.get(kid);
      if (held === undefined) throw noSuchKey();
      if (held.destruction !== undefined) return { kid };
      refuseActive(held, evenActive);
      return { kid, change: planDestruction(this.#ring, held, this.#env) };
    };
    await this.#change({ tenant: tenantOf(kid), request: ['destroy', kid, evenActive], opId, plan });
    return this.#ring.get(kid)!.destruction!;
  }

  /** Runs something that changes the keystore as a whole between two changes. */
  exclusive<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(task);
    this.#tail = done.catch(() => undefined);
    return done;
  }

  #change({ tenant, request, opId, plan }: Wanted): Promise<string> {
    const text = JSON.stringify(request);
    return this.exclusive(async () => {
      const known = opId === undefined ? undefined : this.#memory.recall(tenant, opId, text);
      if (known !== undefined) return known;
      const { kid, change } = plan();
      if (change === undefined && opId === undefined) return kid;
      const operation = opId === undefined ? undefined : { tenant, opId, request: text, kid };
      try {
        await this.#commit(change ?? {}, operation);
      } catch (error) {
        for (const key of change?.added ?? []) key.secret.fill(0);
        throw error;
      }
      this.#ring.apply(change ?? {});
      if (operation !== undefined) this.#memory.add(operation);
      return kid;
    });
  }

  #live(kid: string): HeldKey {
    const held = this.#ring.get(kid);
    if (held === undefined || held.info.state === 'retired' || held.info.state === 'destroyed') throw noSuchKey();
    return held;
  }

  /** As it was answered first, even if the version has moved on since. */
  #info(kid: string, state: KeyState): KeyInfo {
    return Object.freeze({ ...this.#ring.get(kid)!.info, state });
  }
}

function refuseActive(held: HeldKey, evenActive: boolean): void {
  if (held.info.state !== 'active' || evenActive) return;
  const message = 'this is the active version: rotate the key first, or say that the active one is meant';
  throw new RonError('conflict', message, { details: { reason: 'active' } });
}

function tenantOf(kid: string): string {
  const id = parseKeyId(kid);
  if (id === undefined) throw noSuchKey();
  return id.tenant;
}
