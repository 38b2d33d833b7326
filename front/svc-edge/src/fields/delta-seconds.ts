/** What greater values count as. RFC 9111, 1.2.2. */
export const deltaSecondsMax = 2 ** 31;

/** A non-negative whole number of seconds; undefined for everything else. */
export function parseDeltaSeconds(text: string): number | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined;
  return Math.min(Number(text), deltaSecondsMax);
}

/** Of an Age field the first member counts; what is no number is ignored. RFC 9111, 5.1. */
export function parseAge(line: string | undefined): number {
  if (line === undefined) return 0;
  const [first = ''] = line.split(',');
  return parseDeltaSeconds(first.trim()) ?? 0;
}
