import { formatBytes, formatDuration } from './format.ts';

/** The fields of an answer as label and text: bytes and times by the ending of their wire names. */
export function describeFields(answer: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.entries(answer)
    .filter(([, value]) => typeof value !== 'object' || value === null)
    .map(([name, value]) => [name.replaceAll('_', ' '), describe(name, value)]);
}

function describe(name: string, value: unknown): string {
  if (typeof value !== 'number') return String(value);
  if (/(^|_)bytes(_|$)/.test(name)) return formatBytes(value);
  if (/_ms$/.test(name)) return formatDuration(value);
  return value.toLocaleString('en-US');
}
