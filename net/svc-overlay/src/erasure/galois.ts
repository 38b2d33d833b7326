/**
 * Arithmetic in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d) and the generator 2, as Reed–Solomon codes
 * of storage commonly have it. Elements are bytes; addition is exclusive or.
 */
export const fieldPolynomial = 0x11d;

/** Powers of the generator, twice over, so that a sum of two logarithms needs no reduction. */
const powers = new Uint8Array(510);
const logarithms = new Uint8Array(256);
for (let exponent = 0, value = 1; exponent < 255; exponent++) {
  powers[exponent] = value;
  powers[exponent + 255] = value;
  logarithms[value] = exponent;
  value <<= 1;
  if (value > 255) value ^= fieldPolynomial;
}

export function multiply(left: number, right: number): number {
  return left === 0 || right === 0 ? 0 : powers[logarithms[left]! + logarithms[right]!]!;
}

/** Throws `RangeError` for 0, which has no inverse. */
export function inverse(value: number): number {
  if (value === 0) throw new RangeError('0 has no inverse');
  return powers[255 - logarithms[value]!]!;
}
