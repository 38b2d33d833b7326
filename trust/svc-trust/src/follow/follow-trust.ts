import { type ChainExaminer, createRemoteExaminer, type UsableKeys } from '@ron/auth';
import { type Env, type Log, type Metrics, sleep } from '@ron/kernel';
import { FollowedPolicy } from '@ron/policy';
import type { Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { TrustState, trustContract } from '@ron/proto/trust';
import type { NamesKey } from '../names-key.ts';
import { RemoteAudit } from './remote-audit.ts';

export interface FollowOptions {
  readonly env: Env;
  readonly log: Log;
  readonly metrics: Metrics;
  /** With the rights that this process needs: to read the state, to write the log, to sign names. */
  readonly peer: Peer<typeof trustContract>;
}

/** The trust plane of a node, as a process without keys, policy and log of its own sees it. */
export interface FollowedTrust extends AsyncDisposable {
  readonly chains: ChainExaminer;
  readonly policy: FollowedPolicy;
  readonly audit: RemoteAudit;
  readonly names: NamesKey;
}

/** A change of keys or policy is in force here this much later at most, while the process that holds them answers. */
export const followEveryMs = 500;

/** Resolves once the state has been heard: a process that does not know the policy must not decide by none. */
export async function followTrust(options: FollowOptions): Promise<FollowedTrust> {
  const follower = new TrustFollower(options);
  await follower.ask();
  follower.start();
  return follower;
}

class TrustFollower implements FollowedTrust {
  readonly chains: ChainExaminer;
  readonly policy: FollowedPolicy;
  readonly audit: RemoteAudit;
  readonly names: NamesKey;
  readonly #options: FollowOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #asking: Promise<void> | undefined;
  #revision: string | undefined;
  #state: TrustState | undefined;
  #keys: UsableKeys = { generation: 0, has: () => false };

  constructor(options: FollowOptions) {
    const { env, metrics, peer } = options;
    this.#options = options;
    this.policy = new FollowedPolicy(env, metrics);
    this.audit = new RemoteAudit({
      peer,
      clock: env.clock,
      metrics,
      failure: () => this.#state?.audit_failure,
    });
    this.chains = createRemoteExaminer({
      ask: async (token) => (await peer.examine({ token: Buffer.from(token).toString('base64') })).fault,
      keys: () => this.#keys,
      refresh: () => this.ask(),
    });
    const current = () => this.#state!.names_key;
    this.names = {
      get owner() {
        return current();
      },
      sign: (bytes) => this.#sign(bytes),
    };
  }

  start(): void {
    this.#running = this.#follow();
  }

  /** What is in force now. All who ask at once share one question. */
  ask(): Promise<void> {
    this.#asking ??= this.#hear().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the follower of the trust plane stops'));
    await this.#running;
    await this.audit[Symbol.asyncDispose]();
    this.policy[Symbol.dispose]();
  }

  async #follow(): Promise<void> {
    const { env, log } = this.#options;
    const { signal } = this.#stop;
    let failing = false;
    while (!signal.aborted) {
      await sleep(env.clock, followEveryMs, signal).catch(() => undefined); // Stopped: the loop ends.
      if (signal.aborted) return;
      try {
        await this.ask();
        failing = false;
      } catch (err) {
        if (!failing) log.warn({ err }, 'the trust plane does not answer: what was heard last holds');
        failing = true;
      }
    }
  }

  async #hear(): Promise<void> {
    const { peer } = this.#options;
    const known = this.#revision;
    const { revision, state } = await peer.state(known === undefined ? {} : { known });
    if (state === undefined) return;
    await this.policy.follow(state.policy);
    const usable = new Set(state.keys.map(({ scheme, kid }) => `${scheme} ${kid}`));
    const generation = this.#keys.generation + 1;
    this.#keys = { generation, has: (scheme, kid) => usable.has(`${scheme} ${kid}`) };
    this.#state = state;
    this.#revision = revision;
  }

  async #sign(bytes: Uint8Array): Promise<Uint8Array> {
    const { peer } = this.#options;
    try {
      const { signature } = await peer.sign_name({
        kid: this.names.owner,
        bytes: Buffer.from(bytes).toString('base64'),
      });
      return Buffer.from(signature, 'base64');
    } catch (cause) {
      if (!(cause instanceof RonError) || cause.code !== 'conflict') throw cause;
      // The record was made for the key before: its caller sets the name again, with the new one.
      await this.ask();
      throw new RonError('unavailable', 'the key of names has just changed', { cause, retryAfterMs: 100 });
    }
  }
}
