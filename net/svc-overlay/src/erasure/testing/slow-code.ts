/**
 * The code of docs/specs/erasure.md written from its text alone, as slowly as it is plain: multiplication is that of
 * polynomials with a division after it, an inverse is searched for. It shares nothing with the code that it checks.
 */
export function slowMultiply(left: number, right: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) if ((right & (1 << bit)) !== 0) product ^= left << bit;
  for (let degree = 14; degree >= 8; degree--) if ((product & (1 << degree)) !== 0) product ^= 0x11d << (degree - 8);
  return product;
}

export function slowInverse(value: number): number {
  for (let candidate = 1; candidate < 256; candidate++) if (slowMultiply(value, candidate) === 1) return candidate;
  throw new RangeError('0 has no inverse');
}

/** Object → shards, by sections 2 and 3 of the specification. */
export function slowShards(object: Uint8Array, k: number, m: number): Uint8Array[] {
  const shards: number[][] = Array.from({ length: k + m }, () => []);
  const coefficients = Array.from({ length: m }, (_, i) =>
    Array.from({ length: k }, (__, j) => slowInverse((k + i) ^ j)),
  );
  for (let from = 0; from < object.length; from += k * 65_536) {
    const stripe = object.subarray(from, from + k * 65_536);
    const unit = Math.ceil(stripe.length / k);
    for (let at = 0; at < unit; at++) {
      const column = Array.from({ length: k }, (_, j) => stripe[j * unit + at] ?? 0);
      for (const [j, byte] of column.entries()) shards[j]!.push(byte);
      for (const [i, row] of coefficients.entries()) {
        shards[k + i]!.push(column.reduce((sum, byte, j) => sum ^ slowMultiply(row[j]!, byte), 0));
      }
    }
  }
  return shards.map((bytes) => Uint8Array.from(bytes));
}
