import { groupCount } from '@ron/b3';
import type { Held } from '@ron/proto/exchange';
import { windowGroupsMax } from '@ron/proto/exchange';
import { GroupSet } from './group-set.ts';

/** Which groups a source says that it has: all, or those of a window of at most 65,536 groups (8 KiB). */
export class Coverage {
  static readonly all = new Coverage(0, undefined);
  readonly #first: number;
  readonly #groups: GroupSet | undefined;

  private constructor(first: number, groups: GroupSet | undefined) {
    this.#first = first;
    this.#groups = groups;
  }

  static window(first: number, groups: GroupSet): Coverage {
    return new Coverage(first, groups);
  }

  /** What an answer to HAVE claims; undefined when it shows nothing that can be asked for, or makes no sense. */
  static of(held: Held, windowFirst: number): Coverage | undefined {
    if (held.complete) return Coverage.all;
    if (held.groups === undefined) return undefined;
    const total = groupCount(held.size);
    const count = Math.min(total - windowFirst, windowGroupsMax);
    const bytes = Buffer.from(held.groups, 'base64url');
    if (count < 1 || bytes.length !== Math.ceil(count / 8)) return undefined;
    const past = count % 8;
    if (past !== 0 && bytes[bytes.length - 1]! >> past !== 0) return undefined;
    return new Coverage(windowFirst, GroupSet.fromBytes(count, bytes));
  }

  get isAll(): boolean {
    return this.#groups === undefined;
  }

  has(group: number): boolean {
    return this.#groups === undefined || this.#groups.has(group - this.#first);
  }

  /** The first group from `from` on that the source has and `taken` does not; −1 when there is none. */
  nextFree(from: number, taken: GroupSet): number {
    let free = taken.nextAbsent(from);
    while (free >= 0 && this.#groups !== undefined && !this.#groups.has(free - this.#first)) {
      const next = this.#groups.nextPresent(Math.max(0, free - this.#first));
      free = next < 0 ? -1 : taken.nextAbsent(next + this.#first);
    }
    return free;
  }
}
