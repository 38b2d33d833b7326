import { splitDiskPath } from '../env/disk-path.ts';
import { SystemError } from '../env/system-error.ts';
import type { DiskFaults } from './disk-faults.ts';
import type { SimInode } from './inode.ts';

export class SimFolder {
  entries = new Map<string, SimNode>();
  /** As found after a power cut. */
  readonly durable = new Map<string, SimNode>();
}

export type SimNode = SimInode | SimFolder;

interface EntryChange {
  readonly folder: SimFolder;
  readonly name: string;
  /** Undefined: the name goes away. */
  readonly node: SimNode | undefined;
}

/** Changes that are kept or lost together: a rename is never half done. `folder` is the one whose sync makes them durable. */
interface NameChange {
  readonly folder: SimFolder;
  readonly changes: readonly EntryChange[];
}

/** Names, twice: as seen and as durable, with the changes between the two. */
export class SimTree {
  readonly root = new SimFolder();
  #pending: NameChange[] = [];

  find(path: string): SimNode | undefined {
    let node: SimNode | undefined = this.root;
    for (const name of splitDiskPath(path)) {
      if (!(node instanceof SimFolder)) throw new SystemError('ENOTDIR', 'a part of the path is a file');
      node = node.entries.get(name);
      if (node === undefined) return undefined;
    }
    return node;
  }

  /** The folder that holds the path's last name, and that name. */
  place(path: string): { readonly folder: SimFolder; readonly name: string } {
    const names = splitDiskPath(path);
    const name = names.at(-1);
    if (name === undefined) throw new SystemError('EINVAL', 'the root has no name');
    const folder = this.find(names.slice(0, -1).join('/'));
    if (folder === undefined) throw new SystemError('ENOENT', 'no such folder');
    if (!(folder instanceof SimFolder)) throw new SystemError('ENOTDIR', 'a part of the path is a file');
    return { folder, name };
  }

  /** `changes` take effect now, and survive a power cut after a sync of `folder`. */
  change(folder: SimFolder, changes: readonly EntryChange[]): void {
    for (const change of changes) applyTo(change.folder.entries, change);
    this.#pending.push({ folder, changes });
  }

  makeFolder(path: string): void {
    let folder = this.root;
    for (const name of splitDiskPath(path)) {
      let next = folder.entries.get(name);
      if (next === undefined) {
        next = new SimFolder();
        // Durable at once, like the real adapter, which syncs the parent.
        folder.entries.set(name, next);
        folder.durable.set(name, next);
      }
      if (!(next instanceof SimFolder)) throw new SystemError('EEXIST', 'a file is in the way');
      folder = next;
    }
  }

  sync(folder: SimFolder): void {
    this.#pending = this.#pending.filter((pending) => {
      if (pending.folder !== folder) return true;
      settle(pending);
      return false;
    });
  }

  crash(faults: DiskFaults): void {
    for (const pending of this.#pending) {
      if (faults.random.chance(0.5)) settle(pending);
      else faults.note('lost_entry');
    }
    this.#pending = [];
    restore(this.root, faults, new Set());
  }

  usedBytes(): number {
    return [...filesBelow(this.root, '')].reduce((sum, [, inode]) => sum + inode.size, 0);
  }

  /** Every file with its path, in order of names. */
  files(): [string, SimInode][] {
    return [...filesBelow(this.root, '')];
  }
}

function applyTo(entries: Map<string, SimNode>, { name, node }: EntryChange): void {
  if (node === undefined) entries.delete(name);
  else entries.set(name, node);
}

function settle(pending: NameChange): void {
  for (const change of pending.changes) applyTo(change.folder.durable, change);
}

function restore(folder: SimFolder, faults: DiskFaults, done: Set<SimInode>): void {
  folder.entries = new Map(folder.durable);
  for (const node of folder.entries.values()) {
    if (node instanceof SimFolder) restore(node, faults, done);
    else if (!done.has(node)) {
      // A lost rename leaves one file under two names: it crashes once.
      done.add(node);
      node.crash(faults);
    }
  }
}

function* filesBelow(folder: SimFolder, prefix: string): Generator<[string, SimInode]> {
  const names = [...folder.entries.keys()].sort();
  for (const name of names) {
    const node = folder.entries.get(name) as SimNode;
    if (node instanceof SimFolder) yield* filesBelow(node, `${prefix}${name}/`);
    else yield [`${prefix}${name}`, node];
  }
}
