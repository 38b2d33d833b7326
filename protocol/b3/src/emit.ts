import { Assembler, assembleModule } from './assembler.ts';
import { BLOCK_BYTES, CV_BYTES, IV, MIXES, SCHEDULE } from './constants.ts';

/**
 * Emits the WebAssembly module that compresses four BLAKE3 chunks (or parents) at once, one in each 32-bit lane.
 *
 * It exports `memory` (fixed: growing it would detach every view) and `lanes`, whose parameters are those of
 * `Lanes` in `engine.ts`. Lanes always run in fours: callers leave room for the unused ones to read and write.
 */
export function emitModule(pages: number): Uint8Array<ArrayBuffer> {
  const code = new Assembler();
  emitCounters(code);
  IV.forEach((word, index) => {
    code.words([word, word, word, word]).set(CHAIN + index);
  });
  code.get(FLAGS).get(FIRST_FLAGS).raw(I32_OR).set(BLOCK_FLAGS);
  code.raw(LOOP, NO_RESULT);
  emitBlock(code);
  code.get(BLOCKS).raw(BRANCH_IF, 0, END);
  emitOutput(code);
  return assembleModule('lanes', { parameters: BLOCK_FLAGS, integers: 1, vectors: LOCALS_END - LOW, pages }, code);
}

// Locals: the parameters (the last one, the count, is not needed here), one integer, then vectors.
const INPUT = 0;
const STRIDE = 1;
const BLOCKS = 2;
const COUNTER_LOW = 3;
const COUNTER_HIGH = 4;
const COUNTER_STEP = 5;
const FLAGS = 6;
const FIRST_FLAGS = 7;
const LAST_FLAGS = 8;
const LAST_BYTES = 9;
const OUT = 10;
const BLOCK_FLAGS = 12;
const LOW = 13;
const HIGH = 14;
const CHAIN = 15;
const STATE = CHAIN + 8;
const MESSAGE = STATE + 16;
const ROW = MESSAGE + 16;
const MIXED = ROW + 4;
const LOCALS_END = MIXED + 4;

const LOOP = 0x03;
const NO_RESULT = 0x40;
const END = 0x0b;
const BRANCH_IF = 0x0d;
const SELECT = 0x1b;
const I32_ADD = 0x6a;
const I32_SUBTRACT = 0x6b;
const I32_MULTIPLY = 0x6c;
const I32_OR = 0x72;

/** Lane i counts low + i·step; a lane whose low word wrapped carries into its high word. */
function emitCounters(code: Assembler): void {
  code.splat(COUNTER_LOW).splat(COUNTER_STEP).words([0, 1, 2, 3]).multiply().add().set(LOW);
  // A comparison that holds gives −1 in its lane.
  code.splat(COUNTER_HIGH).get(LOW).splat(COUNTER_LOW).lessUnsigned().subtract().set(HIGH);
}

function emitBlock(code: Assembler): void {
  code.get(BLOCKS).integer(1).raw(I32_SUBTRACT).set(BLOCKS);
  // The last block adds its flags.
  code.integer(0).get(LAST_FLAGS).get(BLOCKS).raw(SELECT).get(BLOCK_FLAGS).raw(I32_OR).set(BLOCK_FLAGS);
  emitMessage(code);
  emitState(code);
  for (const order of SCHEDULE) {
    MIXES.forEach((wires, mix) => {
      emitHalfMix(code, wires, order[mix * 2]!, 2, 12);
      emitHalfMix(code, wires, order[mix * 2 + 1]!, 1, 7);
    });
  }
  for (let word = 0; word < 8; word++) {
    code
      .get(STATE + word)
      .get(STATE + word + 8)
      .xor()
      .set(CHAIN + word);
  }
  code.get(INPUT).integer(BLOCK_BYTES).raw(I32_ADD).set(INPUT);
  code.get(FLAGS).set(BLOCK_FLAGS);
}

/** Loads one block of each lane and transposes it, so that vector i holds word i of all four. */
function emitMessage(code: Assembler): void {
  for (let quarter = 0; quarter < 4; quarter++) {
    for (let lane = 0; lane < 4; lane++) {
      code.get(INPUT).get(STRIDE).integer(lane).raw(I32_MULTIPLY, I32_ADD);
      code.load(quarter * 16).set(ROW + lane);
    }
    emitTranspose(code, ROW, MESSAGE + quarter * 4);
  }
}

function emitState(code: Assembler): void {
  for (let word = 0; word < 8; word++) code.get(CHAIN + word).set(STATE + word);
  for (let word = 0; word < 4; word++) {
    const value = IV[word]!;
    code.words([value, value, value, value]).set(STATE + 8 + word);
  }
  code.get(LOW).set(STATE + 12);
  code.get(HIGH).set(STATE + 13);
  // Every block is full but perhaps the last, when none is left.
  code.integer(BLOCK_BYTES).get(LAST_BYTES).get(BLOCKS).raw(SELECT).simd(0x11);
  code.set(STATE + 14);
  code.splat(BLOCK_FLAGS).set(STATE + 15);
}

type Wires = readonly [number, number, number, number];

function emitHalfMix(code: Assembler, [a, b, c, d]: Wires, word: number, turnBytes: number, turnBits: number): void {
  const [va, vb, vc, vd] = [STATE + a, STATE + b, STATE + c, STATE + d];
  // The message first: the sum with b, which comes last from the step before, then waits for nothing else.
  code
    .get(va)
    .get(MESSAGE + word)
    .add()
    .get(vb)
    .add()
    .tee(va);
  code.get(vd).xor().set(vd);
  code.rotateBytes(vd, turnBytes).tee(vd);
  code.get(vc).add().tee(vc);
  code.get(vb).xor().set(vb);
  code.rotateBits(vb, turnBits).set(vb);
}

function emitTranspose(code: Assembler, from: number, to: number): void {
  const pick = (left: number, words: readonly number[], target: number) =>
    code
      .get(left)
      .get(left + 1)
      .shuffle(words)
      .set(target);
  const low = [0, 4, 1, 5];
  const high = [2, 6, 3, 7];
  pick(from, low, MIXED);
  pick(from + 2, low, MIXED + 1);
  pick(from, high, MIXED + 2);
  pick(from + 2, high, MIXED + 3);
  for (let half = 0; half < 2; half++) {
    pick(MIXED + half * 2, [0, 1, 4, 5], to + half * 2);
    pick(MIXED + half * 2, [2, 3, 6, 7], to + half * 2 + 1);
  }
}

/** Writes the four chaining values one after the other. */
function emitOutput(code: Assembler): void {
  for (let half = 0; half < 2; half++) {
    emitTranspose(code, CHAIN + half * 4, STATE);
    for (let lane = 0; lane < 4; lane++) {
      code
        .get(OUT)
        .get(STATE + lane)
        .store(lane * CV_BYTES + half * 16);
    }
  }
}
