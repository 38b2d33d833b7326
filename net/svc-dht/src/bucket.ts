import type { Contact, NodeId } from '@ron/proto/network';

/** A node that has answered. */
export interface Entry {
  readonly contact: Contact;
  readonly group: string;
  /** Round trip, smoothed. */
  rttMs: number;
  readonly sinceMs: number;
  seenMs: number;
  /** Calls in a row that it did not answer. */
  failures: number;
}

/** Newcomers that wait for a place in a full bucket. */
const sparesMax = 8;
/** Weight of the newest round trip, as TCP’s (RFC 6298). */
const rttGain = 1 / 8;

/** Nodes that share the same number of leading bits with this one, those heard of longest ago first. */
export class Bucket {
  readonly entries: Entry[] = [];
  /** Newest last. */
  readonly spares: Contact[] = [];
  /** The oldest entry is being asked whether it lives. */
  challenging = false;

  find(id: NodeId): Entry | undefined {
    for (const entry of this.entries) if (entry.contact.id === id) return entry;
    return undefined;
  }

  /** True when the node was here; it is the newest now. */
  refresh(id: NodeId, rttMs: number, nowMs: number): boolean {
    const at = this.entries.findIndex(({ contact }) => contact.id === id);
    if (at < 0) return false;
    const entry = this.entries[at]!;
    entry.rttMs += (rttMs - entry.rttMs) * rttGain;
    entry.seenMs = nowMs;
    entry.failures = 0;
    this.entries.copyWithin(at, at + 1);
    this.entries[this.entries.length - 1] = entry;
    return true;
  }

  insert(entry: Entry): void {
    this.dropSpare(entry.contact.id);
    this.entries.push(entry);
  }

  remove(entry: Entry): boolean {
    const at = this.entries.indexOf(entry);
    if (at >= 0) this.entries.splice(at, 1);
    return at >= 0;
  }

  countOf(group: string): number {
    let count = 0;
    for (const entry of this.entries) if (entry.group === group) count++;
    return count;
  }

  /** Those that answered when they were last asked. */
  collect(into: Contact[]): void {
    for (const { contact, failures } of this.entries) if (failures === 0) into.push(contact);
  }

  keepSpare(contact: Contact): void {
    this.dropSpare(contact.id);
    this.spares.push(contact);
    if (this.spares.length > sparesMax) this.spares.shift();
  }

  dropSpare(id: NodeId): void {
    const at = this.spares.findIndex((spare) => spare.id === id);
    if (at >= 0) this.spares.splice(at, 1);
  }

  /** The newest that fits. */
  takeSpare(fits: (contact: Contact) => boolean): Contact | undefined {
    const at = this.spares.findLastIndex(fits);
    return at < 0 ? undefined : this.spares.splice(at, 1)[0];
  }
}
