import { usageError } from '../cli-error.ts';

/** A whole number from `min` to `max`; `what` names it in the refusal. */
export function parseWholeNumber(text: string, what: string, min: number, max: number): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= min && number <= max)) {
    throw usageError(`"${text}" is not a ${what}: write a whole number from ${min} to ${max.toLocaleString('en-US')}`);
  }
  return number;
}
