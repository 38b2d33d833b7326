import type { Change, Table, TableView } from '@ron/journal';
import { policyLimits } from '@ron/proto/policy';
import type { ThresholdRule } from '@ron/signed';

/** What the table of a policy engine holds; each row says under which key it stands. */
export type PolicyRow = CurrentRow | HighestRow | HistoryRow | ProposalRow;

/** `current`: the document in force, with the rule that its signatures met. */
export interface CurrentRow {
  readonly kind: 'current';
  readonly policy: string;
  readonly activated_at: number;
  /** The signed document as text. */
  readonly signed: string;
  readonly rule: ThresholdRule;
}

/** `highest`: no version up to this one comes into force again. */
export interface HighestRow {
  readonly kind: 'highest';
  readonly version: number;
}

/** `history/<version>` */
export interface HistoryRow {
  readonly kind: 'history';
  readonly policy: string;
  readonly version: number;
  readonly activated_at: number;
  readonly previous?: string;
  readonly reason?: string;
}

/** `proposal/<id>` */
export interface ProposalRow {
  readonly kind: 'proposal';
  readonly policy: string;
  readonly version: number;
  readonly signed: string;
  readonly proposed_at: number;
  readonly expires_at: number;
}

export type PolicyTable = Table<PolicyRow>;
type View = TableView<PolicyRow>;

/** Entries that the table of an engine has to have room for. */
export const policyRowsMax = policyLimits.historyMax + policyLimits.proposalsMax + 3;

export function currentRow(table: View): CurrentRow | undefined {
  const row = table.get('current');
  return row?.kind === 'current' ? row : undefined;
}

export function highestVersion(table: View): number {
  const row = table.get('highest');
  return row?.kind === 'highest' ? row.version : 0;
}

/** Newest first. */
export function historyRows(table: View): readonly HistoryRow[] {
  const rows = [...table.entries('history/')].flatMap(([, row]) => (row.kind === 'history' ? [row] : []));
  return rows.sort((a, b) => b.version - a.version);
}

/** Oldest first, those past their date left out. */
export function proposalRows(table: View, nowMs: number): readonly ProposalRow[] {
  const rows = [...table.entries('proposal/')].flatMap(([, row]) => (row.kind === 'proposal' ? [row] : []));
  return rows.filter(({ expires_at }) => expires_at > nowMs).sort((a, b) => a.proposed_at - b.proposed_at);
}

/** A new policy in force: what waited to follow the one before cannot follow this one. */
export function activationChanges(table: View, current: CurrentRow, history: HistoryRow): Change<PolicyRow>[] {
  const dropped = historyRows(table).slice(policyLimits.historyMax - 1);
  return [
    ['current', current],
    ['highest', { kind: 'highest', version: history.version }],
    ...dropped.map(({ version }): Change<PolicyRow> => [historyKey(version), undefined]),
    [historyKey(history.version), history],
    ...[...table.entries('proposal/')].map(([key]): Change<PolicyRow> => [key, undefined]),
  ];
}

function historyKey(version: number): string {
  return `history/${version}`;
}
