import assert from 'node:assert/strict';

/** Runs checks one after another, prints a line for each, and counts. */
export class Checks {
  passed = 0;
  failed = 0;
  skipped = 0;

  /** A check that throws has failed; the next one still runs. */
  async check(what: string, body: () => Promise<void> | void): Promise<void> {
    const began = performance.now();
    try {
      await body();
      this.passed += 1;
      const tookMs = Math.round(performance.now() - began);
      process.stdout.write(`  ok      ${what}${tookMs < 1_000 ? '' : ` (${tookMs} ms)`}\n`);
    } catch (error) {
      this.#failed(what, error);
    }
  }

  /** Several checks with what they need: when that cannot be had it is one failure, and the next group still runs. */
  async group(what: string, body: () => Promise<void>): Promise<void> {
    process.stdout.write(`\n${what}\n`);
    try {
      await body();
    } catch (error) {
      this.#failed(`${what}: could not go on`, error);
    }
  }

  #failed(what: string, error: unknown): void {
    this.failed += 1;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stdout.write(`  FAILED  ${what}\n${text.replace(/^/gm, '            ')}\n`);
  }

  cannotRun(what: string, why: string): void {
    this.skipped += 1;
    process.stdout.write(`  CANNOT RUN: ${what}: ${why}\n`);
  }
}

export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.byteLength, expected.byteLength, 'length');
  assert.ok(Buffer.compare(actual, expected) === 0, 'the bytes differ');
}
