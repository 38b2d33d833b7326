import type { Change, Decision, TableView } from '@ron/journal';
import type { RevocationEntry } from '@ron/proto/capability';
import {
  type Family,
  familyPrefix,
  type Meta,
  metaKey,
  mintedUntilOf,
  type NewRevocation,
  type PassportValue,
  revocationKey,
  revocationPrefix,
  type SubjectRecord,
  subjectKey,
  subjectRevocationKey,
} from './records.ts';

const fresh: Meta = { feed: '', seq: 0, floor: 0, families: 0, subjects: 0, revocations: 0 };

export function metaOf(table: TableView<PassportValue>): Meta {
  return table.get(metaKey)?.meta ?? fresh;
}

/** What one transaction changes, with the counts and the feed's number kept in step. */
export class Draft {
  readonly #table: TableView<PassportValue>;
  readonly #changes = new Map<string, PassportValue | undefined>();
  readonly #revoked: RevocationEntry[] = [];
  #meta: Meta;

  constructor(table: TableView<PassportValue>) {
    this.#table = table;
    this.#meta = metaOf(table);
  }

  get meta(): Meta {
    return this.#meta;
  }

  /** Entries that this transaction adds to the feed, oldest first. */
  get revoked(): readonly RevocationEntry[] {
    return this.#revoked;
  }

  set(change: Partial<Pick<Meta, 'feed' | 'bootstrap'>>): void {
    this.#meta = { ...this.#meta, ...change };
  }

  family(id: string): Family | undefined {
    return this.#get(familyPrefix + id)?.family;
  }

  putFamily(family: Family): void {
    if (this.family(family.id) === undefined) this.#count('families', 1);
    this.#changes.set(familyPrefix + family.id, { family });
  }

  dropFamily(id: string): void {
    if (this.family(id) === undefined) return;
    this.#count('families', -1);
    this.#changes.set(familyPrefix + id, undefined);
  }

  subject(tenant: string, subject: string): SubjectRecord | undefined {
    return this.#get(subjectKey(tenant, subject))?.subject;
  }

  putSubject(record: SubjectRecord): void {
    const { tenant, subject } = record.profile;
    if (this.subject(tenant, subject) === undefined) this.#count('subjects', 1);
    this.#changes.set(subjectKey(tenant, subject), { subject: record });
  }

  /** As all transactions before this one leave them: the store itself does not show yet what the same batch has decided. */
  *families(): Iterable<Family> {
    for (const [, { family }] of this.#table.entries(familyPrefix)) if (family) yield family;
  }

  /** With those of this transaction. */
  *revocations(): Iterable<RevocationEntry> {
    for (const [key, { revocation }] of this.#table.entries(revocationPrefix)) {
      if (revocation && !this.#changes.has(key)) yield revocation;
    }
    yield* this.#revoked;
  }

  revokedUntilMs(tenant: string, subject: string): number {
    return mintedUntilOf(this.#get(subjectRevocationKey(tenant, subject)));
  }

  /** A revocation that the feed already holds, as wide or wider, makes no entry. */
  revoke(revocation: NewRevocation): void {
    const key = revocationKey(revocation);
    const before = this.#get(key)?.revocation;
    if (before !== undefined && covers(before, revocation)) return;
    if (before === undefined) this.#count('revocations', 1);
    this.#meta = { ...this.#meta, seq: this.#meta.seq + 1 };
    const entry: RevocationEntry = { ...revocation, seq: this.#meta.seq };
    this.#revoked.push(entry);
    this.#changes.set(key, { revocation: entry });
  }

  /** For an entry that has nothing left to revoke; one that another has replaced stays. */
  dropRevocation(entry: RevocationEntry): void {
    const key = revocationKey(entry);
    if (this.#get(key)?.revocation?.seq !== entry.seq) return;
    this.#count('revocations', -1);
    this.#meta = { ...this.#meta, floor: Math.max(this.#meta.floor, entry.seq) };
    this.#changes.set(key, undefined);
  }

  decision<T>(result: T): Decision<PassportValue, T> {
    const changes: Change<PassportValue>[] = [...this.#changes];
    if (this.#meta !== metaOf(this.#table)) changes.push([metaKey, { meta: this.#meta }]);
    return { changes, result };
  }

  #get(key: string): PassportValue | undefined {
    return this.#changes.has(key) ? this.#changes.get(key) : this.#table.get(key);
  }

  #count(what: 'families' | 'subjects' | 'revocations', change: 1 | -1): void {
    this.#meta = { ...this.#meta, [what]: this.#meta[what] + change };
  }
}

function covers(before: RevocationEntry, next: NewRevocation): boolean {
  if (before.kind === 'subject' && next.kind === 'subject' && before.minted_until < next.minted_until) return false;
  return (before.until ?? Infinity) >= (next.until ?? Infinity);
}
