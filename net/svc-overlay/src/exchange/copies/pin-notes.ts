import { copiesMax } from '@ron/proto/pins';

/**
 * What storage keeps with an object that is wanted in copies. A wish lives as long as the object does, on the same journal,
 * and needs no file of its own.
 */
const wish = /^copies:([1-9]\d?)$/;
const place = /^copy-at:([0-9a-f]{64})$/;

export function wishNote(copies: number): string {
  return `copies:${copies}`;
}

/** That the node is known to have a copy. */
export function placeNote(node: string): string {
  return `copy-at:${node}`;
}

export interface PinNotes {
  /** Undefined: no copies are wanted. */
  readonly copies: number | undefined;
  readonly nodes: readonly string[];
}

/** Other notes are not this part's. Of two wishes, which a crash may leave, the larger one counts. */
export function readNotes(notes: readonly string[]): PinNotes {
  const wishes = notes.flatMap((note) => wish.exec(note)?.[1] ?? []).map(Number);
  const nodes = notes.flatMap((note) => place.exec(note)?.[1] ?? []);
  return { copies: wishes.length === 0 ? undefined : Math.min(copiesMax, Math.max(...wishes)), nodes };
}
