import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ScenarioOptions {
  /** Small counts, for a look; the full ones are the project's bars. */
  readonly quick: boolean;
  /** Printed, so that a run can be repeated. */
  readonly seed: number;
}

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** What was counted, on one line. Throws `Failure` for what must not be, `CannotRun` where the machine cannot show it. */
  run(options: ScenarioOptions): Promise<string>;
}

export class Failure extends Error {}

export class CannotRun extends Error {
  constructor(what: string, why: string) {
    super(`${what}: ${why}`);
  }
}

export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Failure(what);
}

/** A folder that is gone afterwards, whatever happens. */
export function temporaryFolder(name: string): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), `ron-faults-${name}-`));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** Mulberry32: small, seeded, good enough to choose victims. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export function countsOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}
