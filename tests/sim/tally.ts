/** Counts of what was met, of a list of what must be. */
export class Tally<S extends string> {
  readonly counts = new Map<S, number>();
  readonly #expected: readonly S[];

  constructor(expected: readonly S[]) {
    this.#expected = expected;
  }

  note(what: S, times = 1): void {
    if (times > 0) this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  add(counts: Iterable<readonly [S, number]>): void {
    for (const [what, times] of counts) this.note(what, times);
  }

  /** The least met first. */
  rarest(): readonly (readonly [S, number])[] {
    return [...this.counts].sort(([, left], [, right]) => left - right);
  }

  /** In the order of the list. */
  all(): readonly (readonly [S, number])[] {
    return this.#expected.map((what) => [what, this.counts.get(what) ?? 0] as const);
  }

  missing(): readonly S[] {
    return this.#expected.filter((what) => !this.counts.has(what));
  }
}
