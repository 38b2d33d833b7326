import { encodeBase64, Frontier, sameHash, type TreeNode } from '@ron/tlog';
import { treeHasher } from '../hashing.ts';
import { parseLeaf } from '../leaf.ts';
import { type Finding, type FindingKind, findingsMax } from './report.ts';

interface Mismatch {
  readonly index: number;
  /** Of the entry that is there. */
  readonly found: string;
  /** Of the entry that should be. */
  readonly wanted: string;
}

/** Goes through a log's leaves in order, and keeps what does not fit. */
export class LeafChecker {
  readonly findings: Finding[] = [];
  readonly warnings: Finding[] = [];
  readonly #frontier = new Frontier(treeHasher);
  readonly #marks = new Map<number, Uint8Array | undefined>();
  readonly #mismatches: Mismatch[] = [];
  readonly #notKept: { from: number; to: number }[] = [];
  /** As the log's own entries say. */
  #givenUpBelow = 0;
  /** Leaves are missing: no root can be computed any more. */
  broken = false;

  /** `marks`: sizes at which the root will be asked for. */
  constructor(marks: readonly number[]) {
    for (const size of marks) this.#marks.set(size, undefined);
    this.#mark();
  }

  get size(): number {
    return this.#frontier.size;
  }

  /** At one of the marks; undefined when the walk did not come by there. */
  rootAt(size: number): Uint8Array | undefined {
    return this.broken ? undefined : this.#marks.get(size);
  }

  report(kind: FindingKind, index: number, to: number, detail: string): void {
    const list = kind === 'unfinished' ? this.warnings : this.findings;
    if (list.length < findingsMax) list.push({ kind, index, to, detail });
  }

  subtree({ level }: TreeNode, hash: Uint8Array): void {
    if (this.broken) return;
    this.#frontier.appendSubtree(level, hash);
    this.#mark();
  }

  /** `claimed`: the hash that stands beside the entry. One of the two is there. */
  leaf(index: number, claimed: Uint8Array | undefined, entry: Uint8Array | undefined): void {
    const computed = entry === undefined ? undefined : treeHasher.leaf(entry);
    if (entry === undefined) this.#missing(index);
    else this.#noteRetention(entry);
    if (claimed !== undefined && computed !== undefined && !sameHash(claimed, computed)) {
      if (this.#mismatches.length < findingsMax) {
        this.#mismatches.push({ index, found: encodeBase64(computed), wanted: encodeBase64(claimed) });
      }
    }
    const hash = claimed ?? computed;
    if (this.broken || hash === undefined) return;
    this.#frontier.append(hash);
    this.#mark();
  }

  /** Undefined when everything is there. `whole`: to the end of the log, where the log notes what it gives up. */
  finish(whole: boolean): { readonly from: number; readonly to: number } | undefined {
    const places = new Map(this.#mismatches.map(({ index, wanted }) => [wanted, index]));
    for (const { index, found } of this.#mismatches) {
      const home = places.get(found);
      if (home === undefined) this.report('edited', index, index + 1, 'the entry does not have its hash');
      else this.report('reordered', index, index + 1, `entry ${home} stands in the place of entry ${index}`);
    }
    for (const { from, to } of this.#notKept) {
      const start = Math.max(from, this.#givenUpBelow);
      if (start >= to) continue;
      if (whole)
        this.report('deleted', start, to, 'the entries are gone, and the log does not say that it gave them up');
      else this.report('unfinished', start, to, 'not kept; this part of the log does not say why');
    }
    const first = this.#notKept[0];
    return first === undefined ? undefined : { from: first.from, to: (this.#notKept.at(-1) ?? first).to };
  }

  #mark(): void {
    if (this.#marks.has(this.size)) this.#marks.set(this.size, this.#frontier.root());
  }

  #missing(index: number): void {
    const last = this.#notKept.at(-1);
    if (last?.to === index) last.to += 1;
    else if (this.#notKept.length < findingsMax) this.#notKept.push({ from: index, to: index + 1 });
  }

  #noteRetention(entry: Uint8Array): void {
    const leaf = parseLeaf(entry);
    if (leaf?.op !== 'audit.retention' || leaf.subject !== 'node') return;
    const below = Number(leaf.fields['kept_from']);
    if (Number.isSafeInteger(below)) this.#givenUpBelow = Math.max(this.#givenUpBelow, below);
  }
}
