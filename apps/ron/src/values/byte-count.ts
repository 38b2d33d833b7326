import { usageError } from '../cli-error.ts';

const units: Readonly<Record<string, number>> = { '': 1, k: 1_024, m: 1_024 ** 2, g: 1_024 ** 3, t: 1_024 ** 4 };

/** Bytes of `4096`, `64K`, `64KiB`, `10M`, `2G`: powers of 1,024. */
export function parseByteCount(text: string): number {
  const match = /^(\d{1,16})([kmgt]?)(?:i?b)?$/i.exec(text);
  const bytes = Number(match?.[1]) * (units[match?.[2]?.toLowerCase() ?? '-'] ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) throw usageError(`"${text}" is not a number of bytes: write 4096, 64K, 10M or 2G`);
  return bytes;
}
