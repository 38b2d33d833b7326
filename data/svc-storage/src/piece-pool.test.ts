import { expect, test } from 'vitest';
import { PiecePool, pieceBytes } from './piece-pool.ts';

test('a buffer comes back once, from any part of it, and only its own pool takes it', () => {
  const pool = new PiecePool(2);
  const first = pool.take();
  expect(first.byteLength).toBe(pieceBytes);
  expect(pool.take()).not.toBe(first);
  new PiecePool(2).giveBack(first);
  pool.giveBack(new Uint8Array(9));
  expect(pool.take()).not.toBe(first);
  pool.giveBack(first.subarray(100, 200));
  pool.giveBack(first);
  expect(pool.take()).toBe(first);
  expect(pool.take()).not.toBe(first);
});

test('keeps no more idle buffers than it may', () => {
  const pool = new PiecePool(1);
  const [one, two] = [pool.take(), pool.take()];
  pool.giveBack(one);
  pool.giveBack(two);
  expect(pool.take()).toBe(one);
  expect(pool.take()).not.toBe(two);
});
