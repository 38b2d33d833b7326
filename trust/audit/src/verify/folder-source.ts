import { type JournalRecord, openJournal } from '@ron/journal';
import type { Disk } from '@ron/kernel';
import { hashBytes, sameHash, subtreeRoot, tileWidth } from '@ron/tlog';
import { treeHasher } from '../hashing.ts';
import { listTiles, readFile, tileFile } from '../store/disk-files.ts';
import { type JournalEntries, readJournal } from '../store/journal-entries.ts';
import { entriesOf } from './bundle-entries.ts';
import { compareHeads, type Heads, openHeads, type Trust } from './heads.ts';
import { LeafChecker } from './leaf-checker.ts';
import { createOverlayDisk } from './overlay-disk.ts';
import type { VerifyReport } from './report.ts';
import { reportOf } from './report-of.ts';

const knownNames = /^(?:checkpoint(?:\.copy)?(?:\.new)?|journal|tile|\.lock(?:\..*)?)$/;
const tileBytes = tileWidth * hashBytes;
/** Nothing is made at random: no file that is written here outlives the check. */
const noRandom = { bytes: (length: number) => new Uint8Array(length), unit: () => 0 };

/** See `verifyLog`. */
export async function verifyFolder(disk: Disk, folder: string, trust: Trust): Promise<VerifyReport> {
  await using _lock = await disk.lock(folder);
  const overlay = createOverlayDisk(disk);
  const noteOf = async (name: string) => {
    const bytes = await readFile(overlay, `${folder}/${name}`);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  };
  const copyText = await noteOf('checkpoint.copy');
  const heads = await openHeads(await noteOf('checkpoint'), trust, { folder: true, copyText });
  const checker = new LeafChecker([heads.claimed.size, heads.known?.size ?? 0, heads.copy?.size ?? 0]);
  return new FolderChecker(overlay, folder, heads, checker).run();
}

class FolderChecker {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #heads: Heads;
  readonly #checker: LeafChecker;
  /** Roots of the tiles of the level last looked at, as computed from what lies below. */
  #roots = new Map<number, Uint8Array>();

  constructor(disk: Disk, folder: string, heads: Heads, checker: LeafChecker) {
    this.#disk = disk;
    this.#folder = folder;
    this.#heads = heads;
    this.#checker = checker;
  }

  async run(): Promise<VerifyReport> {
    const checker = this.#checker;
    const tiles = await listTiles(this.#disk, this.#folder, 0);
    const end = (tiles.at(-1) ?? -1) + 1;
    const { journal, damage } = await this.#readJournal(end * tileWidth);
    let next = 0;
    for (const number of tiles) {
      if (number > next) {
        checker.report('deleted', next * tileWidth, number * tileWidth, 'hash tiles are missing');
        checker.broken = true;
      }
      await this.#checkTile(number, journal.earlier);
      next = number + 1;
    }
    await this.#checkUpperTiles(end);
    await this.#checkNames(end);
    for (const [at, entry] of journal.tail.entries()) checker.leaf(end * tileWidth + at, undefined, entry);
    const size = end * tileWidth + journal.tail.length;
    if (journal.gap !== undefined) checker.report('deleted', size, size + 1, journal.gap);
    for (const report of damage) report();
    const signed = this.#heads.claimed.size;
    if (size > signed) checker.report('unfinished', signed, size, 'no checkpoint covers these entries yet');
    const notKept = checker.finish(true);
    compareHeads(checker, this.#heads, false);
    return reportOf(checker, this.#heads, { from: 0, to: size, notKept });
  }

  async #readJournal(from: number): Promise<{ journal: JournalEntries; damage: readonly (() => void)[] }> {
    /** Where records end, and which entry comes next. */
    const ends: { readonly segment: number; readonly offsetBytes: number; readonly index: number }[] = [];
    const note = ({ segment, offsetBytes, payload }: JournalRecord) => {
      if (payload.byteLength < 8) return;
      const index = Number(new DataView(payload.buffer, payload.byteOffset).getBigUint64(0));
      ends.push({ segment, offsetBytes, index });
    };
    const journal = await readJournal(from, (visit) =>
      openJournal({
        env: { disk: this.#disk, random: noRandom },
        folder: `${this.#folder}/journal`,
        visit: (record) => {
          note(record);
          return visit(record);
        },
      }),
    );
    const damage = journal.journal.damage.map(({ kind, segment, startBytes }) => () => {
      const before = (place: { readonly segment: number; readonly offsetBytes: number }) =>
        place.segment < segment || (place.segment === segment && place.offsetBytes < startBytes);
      const after = ends.find((place) => !before(place));
      const index = after?.index ?? from + journal.tail.length;
      const torn = kind === 'tail' || kind === 'last-write';
      const detail = `journal segment ${segment}, byte ${startBytes}: ${kind}`;
      this.#checker.report(torn ? 'unfinished' : 'edited', index, index + 1, detail);
    });
    return { journal, damage };
  }

  /** One tile of leaf hashes and the entries under it. */
  async #checkTile(number: number, earlier: ReadonlyMap<number, Uint8Array>): Promise<void> {
    const first = number * tileWidth;
    const tile = await readFile(this.#disk, tileFile(this.#folder, 0, number));
    if (tile?.byteLength !== tileBytes) {
      this.#checker.report('edited', first, first + tileWidth, 'the hash tile has not 8,192 bytes');
      this.#checker.broken = true;
      return;
    }
    this.#roots.set(number, subtreeRoot(tile, 0, tileWidth, treeHasher));
    const bundle = await readFile(this.#disk, tileFile(this.#folder, 'entries', number));
    const entries = bundle === undefined ? undefined : entriesOf(bundle);
    for (let at = 0; at < tileWidth; at += 1) {
      const hash = tile.slice(at * hashBytes, (at + 1) * hashBytes);
      const copy = earlier.get(first + at);
      if (copy !== undefined && !sameHash(treeHasher.leaf(copy), hash)) {
        this.#checker.report('edited', first + at, first + at + 1, 'the journal’s copy does not have its hash');
      }
      // What is cut off from a bundle does not count as given up.
      this.#checker.leaf(first + at, hash, entries === undefined ? undefined : (entries[at] ?? new Uint8Array(0)));
    }
    if (entries !== undefined && entries.length > tileWidth) {
      this.#checker.report('extra', first + tileWidth, first + tileWidth, 'bytes after the last entry of a bundle');
    }
  }

  async #checkUpperTiles(tiles: number): Promise<void> {
    for (let level = 1, below = tiles; level < 8; level += 1) {
      const count = Math.floor(below / tileWidth);
      const leaves = tileWidth ** level;
      const numbers = new Set(await listTiles(this.#disk, this.#folder, level));
      const roots = new Map<number, Uint8Array>();
      for (let number = 0; number < count; number += 1) {
        const span = [number * tileWidth * leaves, (number + 1) * tileWidth * leaves] as const;
        const tile = numbers.has(number)
          ? await readFile(this.#disk, tileFile(this.#folder, level, number))
          : undefined;
        numbers.delete(number);
        if (tile?.byteLength === tileBytes) {
          this.#checkUpperTile(tile, span[0], leaves);
          roots.set(number, subtreeRoot(tile, 0, tileWidth, treeHasher));
        } else if (tile !== undefined) this.#checker.report('edited', ...span, 'the hash tile has not 8,192 bytes');
        // The last one may not have been written yet.
        else this.#checker.report(number < count - 1 ? 'deleted' : 'unfinished', ...span, `no tile ${level}/${number}`);
      }
      for (const number of numbers) {
        this.#checker.report('extra', number * tileWidth * leaves, tiles * tileWidth, `tile ${level}/${number}`);
      }
      this.#roots = roots;
      below = count;
    }
  }

  #checkUpperTile(tile: Uint8Array, first: number, leaves: number): void {
    for (let at = 0; at < tileWidth; at += 1) {
      const root = this.#roots.get(first / leaves + at);
      if (root === undefined || sameHash(root, tile.slice(at * hashBytes, (at + 1) * hashBytes))) continue;
      const index = first + at * leaves;
      this.#checker.report('edited', index, index + leaves, 'the hash tiles of two levels do not fit');
    }
  }

  async #checkNames(tiles: number): Promise<void> {
    for (const name of await this.#disk.list(this.#folder)) {
      if (!knownNames.test(name)) this.#checker.report('extra', 0, 0, 'a file that is no part of the log');
    }
    for (const number of await listTiles(this.#disk, this.#folder, 'entries')) {
      // Written, and its hash tile not yet.
      if (number >= tiles) {
        this.#checker.report('unfinished', number * tileWidth, (number + 1) * tileWidth, 'a bundle without hashes');
      }
    }
  }
}
