import { canonicalJson, type JsonValue } from '@ron/naming';
import {
  type ProposalState,
  type RegistryChange,
  type RegistrySignature,
  registryLimits,
  type Snapshot,
  type SnapshotHead,
} from '@ron/proto/registry';
import { countApprovals, type HeldSnapshot, refuseSnapshot, type SignedDocument } from '@ron/signed';
import { applyChanges, signaturesBytes } from './changes.ts';
import { closed, refusal, stale } from './refusal.ts';
import type { Registry } from './registry.ts';
import {
  documentKey,
  headOf,
  type ProposalRow,
  proposalCharactersMax,
  proposalKey,
  proposalOf,
  proposalsOf,
  type RowChange,
  type Rows,
  textOf,
} from './rows.ts';
import { checkSignatures, mergeSignatures } from './signatures.ts';

export interface NewProposal {
  readonly changes: readonly RegistryChange[];
  readonly expiresAt: number;
  readonly expectedVersion: number;
  readonly proposedBy: string;
}

const encoder = new TextEncoder();

/** Open proposals, from the change that somebody wants to the signatures that it needs. */
export class Proposals {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  propose(request: NewProposal): Promise<ProposalState> {
    return this.#registry.parts.table.transact((rows) => {
      const held = this.#registry.held(rows);
      if (request.expectedVersion !== held.snapshot.version) throw stale();
      const nowMs = this.#nowMs();
      const document = applyChanges(held, request.changes, { nowMs, expiresAt: request.expiresAt });
      const text = canonicalJson(document as JsonValue);
      const bytes = encoder.encode(text);
      refuseTooLarge(bytes.byteLength, held.snapshot, document);
      // The id of a document is the address of its canonical JSON, which is here already.
      const id = this.#registry.parts.blake3(bytes);
      const known = proposalOf(rows, id);
      if (known !== undefined && known.open_until > nowMs) return { changes: [], result: stateOf(rows, known) };
      const row: ProposalRow = {
        ...outline(id, document),
        open_until: nowMs + registryLimits.proposalTtlMs,
        bytes: bytes.byteLength,
        proposed_by: request.proposedBy,
        changes: request.changes.length,
        signatures: [],
        ...this.#approvals(held, { document, signatures: [] }),
      };
      const changes = [...makeRoom(rows, nowMs, text.length), ...rowsOf(row, text)];
      return { changes, result: stateOf(rows, row) };
    });
  }

  list(): ProposalState[] {
    const { table } = this.#registry.parts;
    const open = proposalsOf(table).filter(({ open_until }) => open_until > this.#nowMs());
    return open.sort((one, other) => one.open_until - other.open_until).map((row) => stateOf(table, row));
  }

  documentText(proposal: string): { readonly text: string; readonly version: number } {
    const { table } = this.#registry.parts;
    const { version } = this.#open(table, proposal);
    return { text: textOf(table, documentKey(proposal))!, version };
  }

  /** All of the signatures or none: a wrong one is refused, a second one of the same signer changes nothing. */
  approve(proposal: string, signatures: readonly RegistrySignature[]): Promise<ProposalState> {
    return this.#registry.parts.table.transact((rows) => {
      const row = this.#open(rows, proposal);
      const held = this.#registry.held(rows);
      if (row.previous !== held.id) throw stale();
      const document = JSON.parse(textOf(rows, documentKey(proposal))!) as Snapshot;
      checkSignatures(held.snapshot, document, signatures, this.#registry.parts.verify);
      const merged = mergeSignatures(row.signatures, signatures);
      if (merged.length === row.signatures.length) return { changes: [], result: stateOf(rows, row) };
      const next = { ...row, signatures: merged, ...this.#approvals(held, { document, signatures: merged }) };
      return { changes: [[proposalKey(proposal), next]], result: stateOf(rows, next) };
    });
  }

  commit(proposal: string): Promise<SnapshotHead> {
    return this.#registry.advance((rows) => {
      const { signatures, previous } = this.#open(rows, proposal);
      if (headOf(rows)?.id !== previous) throw stale();
      const document = JSON.parse(textOf(rows, documentKey(proposal))!) as Snapshot;
      return { signed: { document, signatures }, also: removalOf(proposal) };
    });
  }

  #open(rows: Pick<Rows, 'get'>, proposal: string): ProposalRow {
    const row = proposalOf(rows, proposal);
    if (row === undefined || row.open_until <= this.#nowMs()) throw closed();
    return row;
  }

  #approvals(held: HeldSnapshot, signed: SignedDocument<Snapshot>) {
    const { inForce, next, met } = countApprovals(held.snapshot, signed, this.#registry.parts.verify);
    return {
      approved_by: [...new Set([...inForce, ...(next ?? [])])].sort(),
      approvals: inForce.length,
      threshold: held.snapshot.threshold,
      ready: met,
      ...(next === undefined ? {} : { new_approvals: next.length, new_threshold: signed.document.threshold }),
    };
  }

  #nowMs(): number {
    return this.#registry.parts.clock.wallMs();
  }
}

function outline(proposal: string, { version, previous, issued_at, expires_at }: Snapshot) {
  return { proposal, version, previous: previous!, issued_at, expires_at };
}

function stateOf(rows: Pick<Rows, 'get'>, { signatures: _, ...row }: ProposalRow): ProposalState {
  return { ...row, stale: headOf(rows)?.id !== row.previous };
}

const rowsOf = (row: ProposalRow, text: string): RowChange[] => [
  [proposalKey(row.proposal), row],
  [documentKey(row.proposal), text],
];

const removalOf = (proposal: string): RowChange[] => [
  [proposalKey(proposal), undefined],
  [documentKey(proposal), undefined],
];

/** Forgets what is over; what is stale only when its place is needed, so that who comes late learns why. */
function makeRoom(rows: Rows, nowMs: number, newCharacters: number): RowChange[] {
  const head = headOf(rows)?.id;
  const all = proposalsOf(rows);
  const gone = all.filter(({ open_until }) => open_until <= nowMs);
  const isFull = (kept: readonly ProposalRow[]) =>
    kept.length >= registryLimits.proposalsMax ||
    kept.reduce((sum, { bytes }) => sum + bytes, newCharacters) > proposalCharactersMax;
  const open = all.filter((row) => !gone.includes(row));
  if (isFull(open)) gone.push(...open.filter(({ previous }) => previous !== head));
  if (isFull(all.filter((row) => !gone.includes(row)))) {
    throw refusal('insufficient_storage', 'too_many', `at most ${registryLimits.proposalsMax} proposals are open`);
  }
  return gone.flatMap(({ proposal }) => removalOf(proposal));
}

/** What could not be stored and sent once it is signed is not worth signing. */
function refuseTooLarge(documentBytes: number, before: Snapshot, document: Snapshot): void {
  const signers = new Map([...before.signers, ...document.signers].map((signer) => [signer.name, signer]));
  const bytes = documentBytes + signaturesBytes([...signers.values()]);
  if (bytes > registryLimits.signedBytesMax) throw refuseSnapshot('too_large', 'a signed snapshot has at most 1 MiB');
}
