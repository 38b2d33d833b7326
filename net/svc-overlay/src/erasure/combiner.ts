import { multiply } from './galois.ts';
import type { Matrix } from './matrix.ts';

/** Bytes of each input that are combined at a time, so that what is summed up stays in the first-level cache. */
const blockBytes = 4_096;

/**
 * Sums of inputs times coefficients: output r is Σ matrix[r][i] · input[i], byte by byte.
 *
 * Four output rows are looked up at once: for each input there is a table from a byte to its four products packed in 32
 * bits. Memory: 1 KiB for each input and four rows.
 */
export class Combiner {
  readonly inputs: number;
  readonly outputs: number;
  /** For each four rows, for each input, 256 words. */
  readonly #tables: readonly (readonly Uint32Array[])[];
  readonly #sums = new Uint32Array(blockBytes);

  constructor(rows: Matrix) {
    this.outputs = rows.length;
    this.inputs = rows[0]?.length ?? 0;
    const quads = Array.from({ length: Math.ceil(rows.length / 4) }, (_, quad) => rows.slice(quad * 4, quad * 4 + 4));
    this.#tables = quads.map((quad) => Array.from({ length: this.inputs }, (_, input) => packedTable(quad, input)));
  }

  /** All of one length; outputs are overwritten. Throws `RangeError` for another number of them or another length. */
  combine(inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]): void {
    const bytes = inputs[0]?.length ?? 0;
    if (inputs.length !== this.inputs || outputs.length !== this.outputs)
      throw new RangeError('another number of shards');
    if (inputs.some(({ length }) => length !== bytes) || outputs.some(({ length }) => length !== bytes)) {
      throw new RangeError('shards of different lengths');
    }
    for (let from = 0; from < bytes; from += blockBytes) {
      const to = Math.min(from + blockBytes, bytes);
      for (const [quad, tables] of this.#tables.entries()) {
        this.#sum(tables, inputs, from, to);
        this.#unpack(outputs, quad * 4, from, to);
      }
    }
  }

  #sum(tables: readonly Uint32Array[], inputs: readonly Uint8Array[], from: number, to: number): void {
    const sums = this.#sums;
    sums.fill(0, 0, to - from);
    let input = 0;
    // Two inputs in a pass: a sum is then loaded and stored half as often.
    for (; input + 1 < tables.length; input += 2) {
      addPair(sums, tables[input]!, inputs[input]!, tables[input + 1]!, inputs[input + 1]!, from, to);
    }
    if (input < tables.length) addOne(sums, tables[input]!, inputs[input]!, from, to);
  }

  #unpack(outputs: readonly Uint8Array[], first: number, from: number, to: number): void {
    const sums = this.#sums;
    for (let row = first, shift = 0; row < outputs.length && shift < 32; row++, shift += 8) {
      const output = outputs[row]!;
      for (let at = from, word = 0; at < to; at++, word++) output[at] = sums[word]! >>> shift;
    }
  }
}

function packedTable(rows: Matrix, input: number): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let word = 0;
    for (const [row, coefficients] of rows.entries()) word |= multiply(coefficients[input]!, byte) << (8 * row);
    table[byte] = word;
  }
  return table;
}

function addPair(
  sums: Uint32Array,
  tableA: Uint32Array,
  a: Uint8Array,
  tableB: Uint32Array,
  b: Uint8Array,
  from: number,
  to: number,
): void {
  for (let at = from, word = 0; at < to; at++, word++) sums[word]! ^= tableA[a[at]!]! ^ tableB[b[at]!]!;
}

function addOne(sums: Uint32Array, table: Uint32Array, input: Uint8Array, from: number, to: number): void {
  for (let at = from, word = 0; at < to; at++, word++) sums[word]! ^= table[input[at]!]!;
}
