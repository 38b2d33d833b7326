import { type Env, type Metrics, sleep } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { PolicyStage } from '@ron/service';
import {
  checkThreshold,
  encodeSigned,
  type SignerSignature,
  type ThresholdRule,
  type VerifySignature,
} from '@ron/signed';
import type { Activation, ActivePolicy } from './active-policy.ts';
import {
  type Basis,
  type Candidate,
  checkPlace,
  checkSignatures,
  checkWidening,
  readCandidate,
  underSigned,
} from './candidate.ts';
import { readPolicy } from './check.ts';
import { type PolicySigner, policyType } from './document.ts';
import { type Explanation, explain } from './explanation.ts';
import type { Asked } from './facts.ts';
import { type ProposalState, Proposals } from './proposals.ts';
import { refusal } from './refusal.ts';
import {
  activationChanges,
  type CurrentRow,
  currentRow,
  type HistoryRow,
  highestVersion,
  historyRows,
  type PolicyTable,
  proposalRows,
} from './rows.ts';
import { RuleSet } from './rule-set.ts';
import { ruleOf, type SignedPolicy, verifyWithNode } from './signing.ts';
import { Verdicts } from './verdicts.ts';

export interface PolicyEngineOptions {
  readonly env: Pick<Env, 'clock' | 'work'>;
  /** At least `policyRowsMax` entries; closed with the engine. */
  readonly table: PolicyTable;
  /** Who decides about the first policy; each later one is decided by the signers of the one before. */
  readonly rootSigners?: readonly PolicySigner[];
  /** Default: all root signers. */
  readonly rootThreshold?: number;
  /** Default: OpenSSL. */
  readonly verify?: VerifySignature;
  readonly metrics?: Metrics;
  /** As `onChange` of the engine; also told of the policy that was found at the start. */
  readonly onChange?: (active: ActivePolicy) => void;
}

interface InForce extends ActivePolicy {
  readonly rules: RuleSet;
}

const racesMax = 8;

/**
 * The policy of a node: one document in force, its rules as a stage of the pipeline, and the only way to the next
 * one. Rejects with `bad_request` for root signers that could never sign, and with `integrity` when the stored policy is not what its signers signed: a node without its policy would
 * allow more.
 */
export async function openPolicyEngine(options: PolicyEngineOptions): Promise<PolicyEngine> {
  checkRoots(options);
  const engine = new PolicyEngine(options);
  await engine.restore();
  return engine;
}

/** What limits and rules are taken from. */
export interface PolicyInForce {
  readonly stage: PolicyStage;
  current(): ActivePolicy | undefined;
  /** Called at once after each change. A listener does not throw. */
  onChange(listener: (active: ActivePolicy) => void): Disposable;
}

export class PolicyEngine implements PolicyInForce, AsyncDisposable {
  readonly #options: PolicyEngineOptions;
  readonly #verify: VerifySignature;
  readonly #verdicts: Verdicts;
  readonly #listeners = new Set<(active: ActivePolicy) => void>();
  readonly #version: { set(value: number): void } | undefined;
  readonly #expires: { set(value: number): void } | undefined;
  readonly #proposals: Proposals;
  #inForce: InForce | undefined;

  constructor(options: PolicyEngineOptions) {
    this.#options = options;
    this.#verify = options.verify ?? verifyWithNode;
    this.#verdicts = new Verdicts(options.metrics);
    this.#version = options.metrics?.gauge('policy_version', 'Version of the policy in force').labels();
    this.#version?.set(0);
    this.#expires = options.metrics
      ?.gauge('policy_expires_at_seconds', 'When the policy in force expires, Unix time; 0 without one')
      .labels();
    this.#expires?.set(0);
    this.#proposals = new Proposals(options.table, options.env.clock);
    if (options.onChange !== undefined) this.#listeners.add(options.onChange);
  }

  /** For the pipeline of every service of the node. */
  get stage(): PolicyStage {
    return this.#verdicts;
  }

  current(): ActivePolicy | undefined {
    return this.#inForce;
  }

  /** Past its date. Its limits and rules stay in force: an old policy is safer than none. */
  get expired(): boolean {
    return (this.expiresInMs ?? 1) <= 0;
  }

  /** Of the policy in force; 0 and less once it has expired. */
  get expiresInMs(): number | undefined {
    const { document } = this.#inForce ?? {};
    return document && document.expires_at - this.#options.env.clock.wallMs();
  }

  /** Why no policy can come into force any more. */
  get failed(): string | undefined {
    return this.#options.table.failed;
  }

  /** Called at once after each activation, before it is answered. A listener does not throw. */
  onChange(listener: (active: ActivePolicy) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Newest first. */
  history(): readonly HistoryRow[] {
    return historyRows(this.#options.table);
  }

  explain(asked: Asked): Explanation {
    return explain(asked, this.#inForce);
  }

  /**
   * Puts a signed document into force; durable, and every later decision by its rules, when it resolves. The document
   * keeps its signatures. Refusals: `details.reason` of `Refusal`, or `bad_request`.
   */
  async activate(signedText: string): Promise<Activation> {
    return this.#activate(this.#read(signedText));
  }

  /** Leaves a document until enough signers have signed it; with enough signatures it comes into force. */
  async propose(signedText: string): Promise<ProposalState> {
    return this.#collect(this.#read(signedText));
  }

  /** Adds signatures to a proposal. `not_found` for one that is not there or has expired. */
  async approve(policy: string, signatures: readonly SignerSignature[]): Promise<ProposalState> {
    const row = this.#proposals.find(policy);
    const { document } = this.#read(row.signed);
    return this.#collect(this.#read(encodeSigned({ document, signatures })));
  }

  proposals(): readonly ProposalState[] {
    const rows = proposalRows(this.#options.table, this.#options.env.clock.wallMs());
    return rows.map(({ policy }) => this.proposal(policy).state);
  }

  proposal(policy: string): { readonly state: ProposalState; readonly signed: SignedPolicy } {
    const row = this.#proposals.find(policy);
    const { signed } = this.#read(row.signed);
    const signers = this.#signers();
    const { valid } = signers ? checkThreshold(signed, signers, this.#verify) : { valid: [] };
    return { state: this.#proposals.state(row, valid, signers?.threshold ?? 0), signed };
  }

  /** Brings back what was in force, after checking it again. Called once, by `openPolicyEngine`. */
  async restore(): Promise<void> {
    const row = currentRow(this.#options.table);
    if (row === undefined) return;
    const candidate = this.#readStored(row);
    const rules = await RuleSet.create(candidate.document.rules ?? '', this.#pause);
    this.#use(candidate, row.activated_at, rules);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#inForce?.rules.dispose();
    await this.#options.table[Symbol.asyncDispose]();
  }

  #readStored(row: CurrentRow): Candidate {
    const candidate = orIntegrity(() => this.#read(row.signed));
    const { met } = checkThreshold(candidate.signed, row.rule, this.#verify);
    const version = highestVersion(this.#options.table);
    if (met && candidate.id === row.policy && candidate.document.version === version) return candidate;
    throw new RonError('integrity', 'the stored policy is not what its signers signed; restore it from a backup');
  }

  #read(text: string): Candidate {
    return readCandidate(text, (bytes) => this.#options.env.work.blake3(bytes));
  }

  #signers(): ThresholdRule | undefined {
    if (this.#inForce !== undefined) return ruleOf(this.#inForce.document);
    const { rootSigners = [], rootThreshold = rootSigners.length } = this.#options;
    return rootSigners.length === 0 ? undefined : ruleOf({ signers: rootSigners, threshold: rootThreshold });
  }

  #basis(): Basis {
    const { table, env } = this.#options;
    return {
      current: this.#inForce,
      signers: this.#signers(),
      highest: highestVersion(table),
      nowMs: env.clock.wallMs(),
    };
  }

  async #collect(candidate: Candidate): Promise<ProposalState> {
    const basis = this.#basis();
    const { holding } = checkSignatures(candidate, basis, this.#verify);
    checkPlace(candidate, basis);
    const { rules } = await checkWidening(candidate, basis, this.#pause);
    rules.dispose();
    const row = await this.#proposals.keep(candidate, holding);
    const merged = this.#read(row.signed);
    const { met, valid } = checkThreshold(merged.signed, basis.signers as ThresholdRule, this.#verify);
    const state = this.#proposals.state(row, valid, basis.signers?.threshold ?? 0);
    return met ? { ...state, activated: await this.#activate(merged) } : state;
  }

  /** Another activation in between changes what this one is measured against: then it is measured again. */
  async #activate(candidate: Candidate): Promise<Activation> {
    for (let race = 0; race < racesMax; race += 1) {
      const basis = this.#basis();
      const signatures = checkSignatures(candidate, basis, this.#verify);
      const signers = basis.signers as ThresholdRule;
      if (!signatures.met) throw underSigned(candidate.id, signatures, signers);
      checkPlace(candidate, basis);
      const { rules } = await checkWidening(candidate, basis, this.#pause);
      const done = await this.#enact(candidate, basis, signers, signatures.valid, rules).catch((error: unknown) => {
        rules.dispose();
        throw error;
      });
      if (done !== undefined) return done;
      rules.dispose();
    }
    throw refusal('older', 'other policies come into force all the time', { policy: candidate.id });
  }

  async #enact(
    candidate: Candidate,
    basis: Basis,
    rule: ThresholdRule,
    valid: readonly string[],
    rules: RuleSet,
  ): Promise<Activation | undefined> {
    const { id, document, signed } = candidate;
    const activated_at = this.#options.env.clock.wallMs();
    const { version, previous, reason } = document;
    const facts = {
      policy: id,
      version,
      activated_at,
      ...(previous === undefined ? {} : { previous }),
      ...(reason === undefined ? {} : { reason }),
    };
    const current: CurrentRow = { kind: 'current', policy: id, activated_at, signed: encodeSigned(signed), rule };
    const done = await this.#options.table.transact((table) => {
      if (currentRow(table)?.policy !== basis.current?.id) return { changes: [], result: false };
      return { changes: activationChanges(table, current, { kind: 'history', ...facts }), result: true };
    });
    if (!done) return undefined;
    this.#use(candidate, activated_at, rules);
    return { ...facts, break_change: document.break_change === true, signers: valid };
  }

  #use({ id, document, signed }: Candidate, activatedMs: number, rules: RuleSet): void {
    const active = { id, version: document.version, document, activatedMs, signed, rules };
    this.#inForce = active;
    this.#verdicts.use(id, rules);
    this.#version?.set(document.version);
    this.#expires?.set(document.expires_at / 1_000);
    for (const listener of this.#listeners) listener(active);
  }

  /** Lets other work go on between pieces of a long one. */
  readonly #pause = (): Promise<void> => sleep(this.#options.env.clock, 0);
}

/** Keys that nobody can have, or a threshold that cannot be met, would be found out only when a policy is needed. */
function checkRoots({ rootSigners = [], rootThreshold = rootSigners.length }: PolicyEngineOptions): void {
  if (rootSigners.length === 0) return;
  const { problems } = readPolicy({
    type: policyType,
    version: 1,
    expires_at: 1,
    signers: rootSigners,
    threshold: rootThreshold,
  });
  if (problems.length > 0) throw new RonError('bad_request', `root signers: ${problems.join('; ')}`);
}

function orIntegrity<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new RonError('integrity', 'the stored policy cannot be read; restore it from a backup', { cause });
  }
}
