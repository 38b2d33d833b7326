import type { Change, TableLimits, TableView } from '@ron/journal';
import type { ProposalState } from '@ron/proto/registry';
import { registryLimits, type SnapshotHead } from '@ron/proto/registry';
import type { SignerSignature } from '@ron/signed';

/** An open proposal; its document is the row `document/<id>`, so that an approval does not write it again. */
export type ProposalRow = Omit<ProposalState, 'stale'> & { readonly signatures: readonly SignerSignature[] };

/** The head of another node that contradicts ours. */
export interface ClaimRow {
  readonly version: number;
  readonly id: string;
}

/** Texts are signed snapshots, documents and ids. */
export type RegistryRow = string | SnapshotHead | ProposalRow | ClaimRow;
export type Rows = TableView<RegistryRow>;
export type RowChange = Change<RegistryRow>;

/** Ids are kept long after their snapshots: they tell whether another node's head was ever ours. */
export const idsKeptMax = 100_000;
/** Characters of all kept snapshots beside the first. */
export const historyCharactersMax = 24 * 1024 * 1024;
/** Characters of the documents of all open proposals. */
export const proposalCharactersMax = 8 * 1024 * 1024;

/** What the table of a registry needs: `openTable<RegistryRow>({ env, folder, ...registryTableLimits })`. */
export const registryTableLimits: Required<TableLimits> = {
  entriesMax: idsKeptMax + 1_100 + 2 * registryLimits.proposalsMax + registryLimits.observedNodesMax,
  // Escaped as JSON strings, texts may take twice their length.
  charactersMax: 2 * (historyCharactersMax + proposalCharactersMax + 8 * 1024 * 1024),
};

/** Versions have at most 16 digits, so that keys sort as numbers do. */
const digits = (version: number): string => String(version).padStart(16, '0');

export const headKey = 'head';
export const snapshotPrefix = 'snapshot/';
export const snapshotKey = (version: number): string => snapshotPrefix + digits(version);
export const idKey = (version: number): string => `id/${digits(version)}`;
const proposalPrefix = 'proposal/';
export const proposalKey = (id: string): string => proposalPrefix + id;
export const documentKey = (id: string): string => `document/${id}`;
export const claimPrefix = 'claim/';
export const claimKey = (node: string): string => claimPrefix + node;

export const headOf = (rows: Pick<Rows, 'get'>): SnapshotHead | undefined =>
  rows.get(headKey) as SnapshotHead | undefined;
export const textOf = (rows: Pick<Rows, 'get'>, key: string): string | undefined => rows.get(key) as string | undefined;
export const proposalOf = (rows: Pick<Rows, 'get'>, id: string): ProposalRow | undefined =>
  rows.get(proposalKey(id)) as ProposalRow | undefined;

export function proposalsOf(rows: Pick<Rows, 'entries'>): ProposalRow[] {
  return [...rows.entries(proposalPrefix)].map(([, row]) => row as ProposalRow);
}
