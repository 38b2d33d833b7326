import { inverse, multiply } from './galois.ts';

/** Rows of coefficients in GF(2^8), all of one length. */
export type Matrix = readonly Uint8Array[];

/**
 * The `index`-th row of the generator of k + m shards: the data shards themselves, then rows of a Cauchy matrix,
 * 1 / (x_i + y_j) with x_i = k + i and y_j = j. Every square part of a Cauchy matrix can be inverted, so any k shards
 * rebuild all. J. Blömer et al., An XOR-based erasure-resilient coding scheme, 1995.
 */
export function generatorRow(index: number, k: number): Uint8Array {
  const row = new Uint8Array(k);
  if (index < k) row[index] = 1;
  else for (let column = 0; column < k; column++) row[column] = inverse(index ^ column);
  return row;
}

/** Inverse of a square matrix by Gauss–Jordan elimination; undefined when it has none. */
export function invert(matrix: Matrix): Matrix | undefined {
  const size = matrix.length;
  const left = matrix.map((row) => row.slice());
  const right = matrix.map((_, index) => {
    const row = new Uint8Array(size);
    row[index] = 1;
    return row;
  });
  for (let column = 0; column < size; column++) {
    const pivot = left.findIndex((row, index) => index >= column && row[column] !== 0);
    if (pivot < 0) return undefined;
    swap(left, pivot, column);
    swap(right, pivot, column);
    const factor = inverse(left[column]![column]!);
    scale(left[column]!, factor);
    scale(right[column]!, factor);
    for (let row = 0; row < size; row++) {
      const times = left[row]![column]!;
      if (row === column || times === 0) continue;
      addScaled(left[row]!, left[column]!, times);
      addScaled(right[row]!, right[column]!, times);
    }
  }
  return right;
}

/** `rows` · `by`. */
export function product(rows: Matrix, by: Matrix): Matrix {
  return rows.map((row) => {
    const sum = new Uint8Array(by[0]!.length);
    for (const [index, coefficient] of row.entries()) addScaled(sum, by[index]!, coefficient);
    return sum;
  });
}

function swap(rows: Uint8Array[], a: number, b: number): void {
  const kept = rows[a]!;
  rows[a] = rows[b]!;
  rows[b] = kept;
}

function scale(row: Uint8Array, factor: number): void {
  for (let column = 0; column < row.length; column++) row[column] = multiply(row[column]!, factor);
}

function addScaled(row: Uint8Array, other: Uint8Array, factor: number): void {
  for (let column = 0; column < row.length; column++) row[column]! ^= multiply(other[column]!, factor);
}
