/**
 * A second implementation for the tests, written from the specification's text alone and shaped differently on
 * purpose: it recurses over bytes and chunks, knows nothing of lanes, levels or positions, and shares no code with
 * the package.
 */

const frame = (value: number) => value >>> 0;
const turn = (word: number, bits: number) => frame((word >>> bits) | (word << (32 - bits)));
const startWords = [2, 3, 5, 7, 11, 13, 17, 19].map((prime) => Math.floor((Math.sqrt(prime) % 1) * 2 ** 32));
const shuffled = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

function compress(chain: number[], block: Uint8Array, counter: bigint, length: number, flags: number): number[] {
  const padded = new Uint8Array(64);
  padded.set(block);
  const view = new DataView(padded.buffer);
  let message = Array.from({ length: 16 }, (_, word) => view.getUint32(word * 4, true));
  const low = Number(counter & 0xffff_ffffn);
  const v = [...chain, ...startWords.slice(0, 4), low, Number(counter >> 32n), length, flags];
  const mix = (a: number, b: number, c: number, d: number, x: number, y: number) => {
    v[a] = frame(v[a]! + v[b]! + x);
    v[d] = turn(v[d]! ^ v[a]!, 16);
    v[c] = frame(v[c]! + v[d]!);
    v[b] = turn(v[b]! ^ v[c]!, 12);
    v[a] = frame(v[a]! + v[b]! + y);
    v[d] = turn(v[d]! ^ v[a]!, 8);
    v[c] = frame(v[c]! + v[d]!);
    v[b] = turn(v[b]! ^ v[c]!, 7);
  };
  for (let round = 0; round < 7; round++) {
    for (let column = 0; column < 4; column++) {
      mix(column, column + 4, column + 8, column + 12, message[column * 2]!, message[column * 2 + 1]!);
    }
    for (let column = 0; column < 4; column++) {
      const [b, c, d] = [((column + 1) & 3) + 4, ((column + 2) & 3) + 8, ((column + 3) & 3) + 12];
      mix(column, b, c, d, message[8 + column * 2]!, message[9 + column * 2]!);
    }
    message = shuffled.map((from) => message[from]!);
  }
  return chain.map((_, word) => frame(v[word]! ^ v[word + 8]!));
}

function toBytes(words: number[]): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => {
    view.setUint32(index * 4, word, true);
  });
  return bytes;
}

function chunkValue(bytes: Uint8Array, counter: bigint, root: boolean): Uint8Array {
  let chain = startWords;
  let at = 0;
  do {
    const block = bytes.subarray(at, at + 64);
    const last = at + 64 >= bytes.length;
    chain = compress(chain, block, counter, block.length, (at === 0 ? 1 : 0) | (last ? (root ? 10 : 2) : 0));
    at += 64;
  } while (at < bytes.length);
  return toBytes(chain);
}

/** The left part of more than one chunk: the largest power of two of chunks that leaves something on the right. */
function splitAt(length: number): number {
  let bytes = 1024;
  while (bytes * 2 < length) bytes *= 2;
  return bytes;
}

export function modelParent(pair: Uint8Array, root: boolean): Uint8Array {
  return toBytes(compress(startWords, pair, 0n, 64, root ? 12 : 4));
}

/** Chaining value, or root, of the node over `bytes`. */
export function modelNode(bytes: Uint8Array, chunk = 0n, root = false): Uint8Array {
  if (bytes.length <= 1024) return chunkValue(bytes, chunk, root);
  return modelParent(modelPair(bytes, chunk), root);
}

function modelPair(bytes: Uint8Array, chunk: bigint): Uint8Array {
  const split = splitAt(bytes.length);
  const left = modelNode(bytes.subarray(0, split), chunk);
  const right = modelNode(bytes.subarray(split), chunk + BigInt(split / 1024));
  return joined([left, right]);
}

export function modelRoot(bytes: Uint8Array): Uint8Array {
  return modelNode(bytes, 0n, true);
}

/** The combined encoding of a range; `withGroups: false` over everything gives the outboard. */
export function modelSlice(
  bytes: Uint8Array,
  start: number,
  length: number,
  groupLog: number,
  withGroups = true,
): Uint8Array {
  const header = new Uint8Array(8);
  new DataView(header.buffer).setBigUint64(0, BigInt(bytes.length), true);
  const pieces: Uint8Array[] = [header];
  const from = start < bytes.length ? start : Math.max(0, bytes.length - 1);
  const to = start < bytes.length ? start + Math.max(1, length) : bytes.length;
  const walk = (low: number, high: number) => {
    const wanted = (low < to && from < high) || bytes.length === 0;
    if (!wanted) return;
    const part = bytes.subarray(low, high);
    if (part.length <= 1024 * 2 ** groupLog) {
      if (withGroups) pieces.push(part);
      return;
    }
    const split = splitAt(part.length);
    pieces.push(modelPair(part, BigInt(low / 1024)));
    walk(low, low + split);
    walk(low + split, high);
  };
  walk(0, bytes.length);
  return joined(pieces);
}

export function modelOutboard(bytes: Uint8Array, groupLog: number): Uint8Array {
  return modelSlice(bytes, 0, bytes.length, groupLog, false);
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => Array.from(piece)));
}
