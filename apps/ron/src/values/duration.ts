import { usageError } from '../cli-error.ts';

const unitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const msMax = 100 * 365 * 86_400_000;

/** Milliseconds of `500ms`, `30s`, `30m`, `1h`, `7d`, `2w`: a whole positive number with a unit, at most 100 years. */
export function parseDurationMs(text: string): number {
  const match = /^(\d{1,12})(ms|[smhdw])$/.exec(text);
  const ms = Number(match?.[1]) * (unitsMs[match?.[2] ?? ''] ?? Number.NaN);
  if (!(ms > 0) || ms > msMax) throw usageError(`"${text}" is not a duration: write 30s, 30m, 1h, 7d or 2w`);
  return ms;
}

/** The same, and `0` for at once. */
export function parseDelayMs(text: string): number {
  return /^0(?:ms|[smhdw])?$/.test(text) ? 0 : parseDurationMs(text);
}
