import { createSimRandom } from '@ron/kernel/sim';
import { expect, test } from 'vitest';
import { compareDistance, distanceShare, randomWithin, toHex } from './distance.ts';
import { NetworkSize, regionBitsOf } from './network-size.ts';

const random = createSimRandom('network size');
const drawPoint = () => toHex(random.bytes(32));
const contactOf = (id: string) => ({ id, address: '10.0.0.1:1' });

test.each([100, 1_000, 4_000])('of %i nodes, the estimate is within a third', (nodes) => {
  const ids = Array.from({ length: nodes }, drawPoint);
  const size = new NetworkSize();
  for (let samples = 0; samples < 9; samples++) {
    const at = drawPoint();
    const near = ids.filter((id) => distanceShare(at, id) < 60 / nodes);
    const nearest = near.sort((a, b) => compareDistance(at, a, b)).slice(0, 20);
    size.observe(at, nearest.map(contactOf));
  }
  const estimate = size.estimate(undefined);
  expect(estimate).toBeGreaterThan(nodes * 0.67);
  expect(estimate).toBeLessThan(nodes * 1.33);
  // Who crowds one point moves one sample of ten.
  const crowded = drawPoint();
  size.observe(
    crowded,
    Array.from({ length: 20 }, () => contactOf(randomWithin(crowded, 60, random))),
  );
  expect(size.estimate(undefined)).toBeLessThan(nodes * 1.6);
});

test('a region holds as many nodes as it has to, and fewer than twice as many', () => {
  for (const nodes of [1, 20, 47, 48, 200, 1_000, 10_000, 1e6]) {
    const expected = nodes / 2 ** regionBitsOf(nodes, 24);
    if (nodes >= 24) expect(expected).toBeGreaterThanOrEqual(24);
    expect(expected).toBeLessThan(48);
  }
});
