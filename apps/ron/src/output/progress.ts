import { performance } from 'node:perf_hooks';
import { formatBytes, formatDuration } from './format.ts';
import type { OutputStream } from './output.ts';

const quietMs = 300;
const redrawMs = 100;
const barCells = 24;

/** A line on a terminal that appears once something takes longer than 300 ms. Elsewhere it is silent. */
export class Progress implements Disposable {
  readonly #stream: OutputStream | undefined;
  readonly #label: string;
  readonly #startedMs = performance.now();
  #drawnMs: number;
  #drawn = false;

  constructor(stream: OutputStream, label: string, enabled: boolean) {
    this.#stream = enabled && stream.isTTY === true ? stream : undefined;
    this.#label = label;
    this.#drawnMs = this.#startedMs + quietMs - redrawMs;
  }

  update(doneBytes: number, totalBytes: number | undefined): void {
    const nowMs = performance.now();
    if (this.#stream === undefined || nowMs - this.#drawnMs < redrawMs) return;
    this.#drawnMs = nowMs;
    this.#drawn = true;
    const line = progressLine(this.#label, doneBytes, totalBytes, nowMs - this.#startedMs);
    this.#stream.write(`\r\u001b[K${line.slice(0, Math.max(20, (this.#stream.columns || 80) - 1))}`);
  }

  [Symbol.dispose](): void {
    if (this.#drawn) this.#stream?.write('\r\u001b[K');
  }
}

export function progressLine(label: string, doneBytes: number, totalBytes: number | undefined, tookMs: number): string {
  const bytesPerMs = doneBytes / Math.max(1, tookMs);
  const speed = `${formatBytes(Math.round(bytesPerMs * 1_000))}/s`;
  if (totalBytes === undefined) return `${label} ${formatBytes(doneBytes)} ${speed}`;
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const full = Math.floor(share * barCells);
  const bar = `[${'#'.repeat(full)}${'.'.repeat(barCells - full)}]`;
  const left = bytesPerMs > 0 ? formatDuration((totalBytes - doneBytes) / bytesPerMs) : '?';
  return `${label} ${bar} ${Math.floor(share * 100)}% ${formatBytes(doneBytes)} ${speed} ${left} left`;
}
