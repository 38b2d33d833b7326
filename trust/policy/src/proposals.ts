import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { policyLimits } from '@ron/proto/policy';
import { encodeSigned, parseSigned, type SignerSignature } from '@ron/signed';
import type { Activation } from './active-policy.ts';
import type { Candidate } from './candidate.ts';
import { refusal } from './refusal.ts';
import { type PolicyTable, type ProposalRow, proposalRows } from './rows.ts';

/** Milliseconds that a proposal waits for signatures: 7 days. */
export const proposalTtlMs = 7 * 86_400_000;

export interface ProposalState {
  readonly policy: string;
  readonly version: number;
  readonly threshold: number;
  /** Whose signatures count so far. */
  readonly signers: readonly string[];
  readonly proposed_at: number;
  readonly expires_at: number;
  /** There when the signatures were enough. */
  readonly activated?: Activation;
}

/** Documents that wait for signatures, at most 16. Only signatures that hold are kept. */
export class Proposals {
  readonly #table: PolicyTable;
  readonly #clock: Clock;

  constructor(table: PolicyTable, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  find(policy: string): ProposalRow {
    const row = this.#table.get(`proposal/${policy}`);
    if (row?.kind === 'proposal' && row.expires_at > this.#clock.wallMs()) return row;
    throw new RonError('not_found', 'no such proposal waits here');
  }

  state(
    { policy, version, proposed_at, expires_at }: ProposalRow,
    signers: readonly string[],
    threshold: number,
  ): ProposalState {
    return { policy, version, threshold, signers, proposed_at, expires_at };
  }

  /** Adds these signatures to those that were collected. `quota_exhausted` when 16 others wait. */
  keep({ id, document }: Candidate, holding: readonly SignerSignature[]): Promise<ProposalRow> {
    return this.#table.transact((table) => {
      const nowMs = this.#clock.wallMs();
      const waiting = proposalRows(table, nowMs);
      const known = waiting.find(({ policy }) => policy === id);
      if (known === undefined && waiting.length >= policyLimits.proposalsMax) {
        throw refusal('too_many', `${policyLimits.proposalsMax} proposals wait already`, { policy: id });
      }
      const before = known === undefined ? [] : parseSigned(known.signed).signatures;
      const isNew = ({ signer, alg }: SignerSignature) =>
        !holding.some((given) => given.signer === signer && given.alg === alg);
      const row: ProposalRow = {
        kind: 'proposal',
        policy: id,
        version: document.version,
        signed: encodeSigned({ document, signatures: [...before.filter(isNew), ...holding] }),
        proposed_at: known?.proposed_at ?? nowMs,
        expires_at: known?.expires_at ?? Math.min(nowMs + proposalTtlMs, document.expires_at),
      };
      const gone = [...table.entries('proposal/')].filter(
        ([, other]) => other.kind === 'proposal' && other.expires_at <= nowMs,
      );
      return {
        changes: [...gone.map(([key]) => [key, undefined] as const), [`proposal/${id}`, row]],
        result: row,
      };
    });
  }
}
