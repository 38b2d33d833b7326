import { type Env, type Metrics, sleep } from '@ron/kernel';
import type { PolicyStage } from '@ron/service';
import type { ActivePolicy } from './active-policy.ts';
import { readCandidate } from './candidate.ts';
import type { PolicyInForce } from './engine.ts';
import { RuleSet } from './rule-set.ts';
import { Verdicts } from './verdicts.ts';

/** The document that another process of the node has put into force. */
export interface FollowedDocument {
  /** Its id. */
  readonly policy: string;
  readonly activated_at: number;
  /** The signed document's text. */
  readonly signed: string;
}

/** The policy of a node in a process that does not keep it. Who may sign was decided where it is kept. */
export class FollowedPolicy implements PolicyInForce, Disposable {
  readonly #env: Pick<Env, 'clock' | 'work'>;
  readonly #verdicts: Verdicts;
  readonly #listeners = new Set<(active: ActivePolicy) => void>();
  #inForce: (ActivePolicy & { readonly rules: RuleSet }) | undefined;

  constructor(env: Pick<Env, 'clock' | 'work'>, metrics?: Metrics) {
    this.#env = env;
    this.#verdicts = new Verdicts(metrics);
  }

  get stage(): PolicyStage {
    return this.#verdicts;
  }

  current(): ActivePolicy | undefined {
    return this.#inForce;
  }

  onChange(listener: (active: ActivePolicy) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** From its end on every decision is by this document. There is no way back to none. Rejects, and changes nothing, for what is no policy. */
  async follow(document: FollowedDocument | undefined): Promise<void> {
    if (document === undefined || document.policy === this.#inForce?.id) return;
    const { id, document: read, signed } = readCandidate(document.signed, (bytes) => this.#env.work.blake3(bytes));
    const rules = await RuleSet.create(read.rules ?? '', () => sleep(this.#env.clock, 0));
    this.#inForce = { id, version: read.version, document: read, activatedMs: document.activated_at, signed, rules };
    this.#verdicts.use(id, rules);
    for (const listener of this.#listeners) listener(this.#inForce);
  }

  [Symbol.dispose](): void {
    this.#inForce?.rules.dispose();
  }
}
