import type { Table } from '@ron/journal';
import type { Clock } from '@ron/kernel';
import type { Snapshot, SnapshotHead } from '@ron/proto/registry';
import {
  type ChainPorts,
  checkFirst,
  checkSuccessor,
  type HeldSnapshot,
  parseSignedSnapshot,
  refuseSnapshot,
  type SignedDocument,
  snapshotId,
  type ThresholdRule,
} from '@ron/signed';
import { recordHead } from './history.ts';
import { noHead } from './refusal.ts';
import { headOf, idKey, type RegistryRow, type RowChange, type Rows, snapshotKey, textOf } from './rows.ts';
import { checkStoredChain, heldIn } from './stored-chain.ts';

export interface RegistryParts extends ChainPorts {
  readonly table: Table<RegistryRow>;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly snapshotsMax: () => number;
}

export interface FirstSnapshot {
  /** Who must have signed it. */
  readonly roots: ThresholdRule;
  /** The encoded signed snapshot of version 1; asked for only when there is none yet. */
  readonly genesis?: (() => Promise<string>) | undefined;
}

/** The chain of snapshots: what is in the table is checked when it is opened, and everything before it gets in. */
export class Registry {
  readonly parts: RegistryParts;
  /** The head, parsed. Only a cache: the table says what the head is. */
  #held: HeldSnapshot | undefined;
  /** Called after each new head. Bounded by the streams that wait, which the pipeline bounds. */
  readonly #watchers = new Set<() => void>();

  private constructor(parts: RegistryParts) {
    this.parts = parts;
  }

  /** Throws when the stored chain does not hold, and when the first snapshot is not signed by the roots or has expired. */
  static async open(parts: RegistryParts, { roots, genesis }: FirstSnapshot): Promise<Registry> {
    const registry = new Registry(parts);
    if (headOf(parts.table) !== undefined) checkStoredChain(parts);
    // A second first snapshot would be a fork that every reader refuses for ever.
    else if (parts.table.size > 0) throw new Error('the registry’s store does not hold: its head is gone');
    else if (genesis !== undefined) await registry.#begin(await genesis(), roots);
    return registry;
  }

  get head(): SnapshotHead | undefined {
    return headOf(this.parts.table);
  }

  /** The head with its content. @throws RonError `not_found` while there is none. */
  held(rows: Pick<Rows, 'get'> = this.parts.table): HeldSnapshot {
    const head = headOf(rows);
    if (head === undefined) throw noHead();
    if (this.#held?.id !== head.id) this.#held = heldIn(rows, head);
    return this.#held;
  }

  /** The encoded signed snapshot; undefined when it is not kept, or not there yet. */
  textOf(version: number): string | undefined {
    return textOf(this.parts.table, snapshotKey(version));
  }

  /** Also of a version whose snapshot is not kept any more. */
  idOfVersion(version: number): string | undefined {
    return textOf(this.parts.table, idKey(version));
  }

  idOf(document: Snapshot): string {
    return snapshotId(document, this.parts.blake3);
  }

  /**
   * Makes what `find` gives the head, if it may follow the one that is there then: nothing gets in between. `also` are
   * changes that belong to it.
   */
  async advance(
    find: (rows: Rows) => { readonly signed: SignedDocument<Snapshot>; readonly also?: readonly RowChange[] },
  ): Promise<SnapshotHead> {
    const { table, verify, clock, snapshotsMax } = this.parts;
    const done = await table.transact((rows) => {
      const { signed, also = [] } = find(rows);
      const held = this.held(rows);
      const id = this.idOf(signed.document);
      if (id === held.id) return { changes: [], result: headOf(rows)! };
      checkSuccessor(held, signed, verify);
      refuseExpired(signed.document, clock.wallMs());
      const recorded = recordHead(rows, id, signed, snapshotsMax());
      // Right whether or not this is stored: it is only looked at when the table says that this id is the head.
      this.#held = { id, snapshot: signed.document };
      return { changes: [...recorded.changes, ...also], result: recorded.result };
    });
    for (const wake of [...this.#watchers]) wake();
    return done;
  }

  onHead(wake: () => void): Disposable {
    this.#watchers.add(wake);
    return { [Symbol.dispose]: () => void this.#watchers.delete(wake) };
  }

  async #begin(text: string, roots: ThresholdRule): Promise<void> {
    const { table, verify, clock } = this.parts;
    const signed = parseSignedSnapshot(text);
    if (signed.document.version !== 1) throw refuseSnapshot('gap', 'the first snapshot has version 1');
    checkFirst(signed, roots, verify);
    refuseExpired(signed.document, clock.wallMs());
    await table.transact((rows) => recordHead(rows, this.idOf(signed.document), signed, 2));
  }
}

function refuseExpired({ expires_at }: Snapshot, nowMs: number): void {
  if (expires_at <= nowMs) throw refuseSnapshot('expired', 'the snapshot has expired');
}
