import { createSimRandom } from '@ron/kernel/sim';
import { toHex } from '@ron/transport';
import { expect, test } from 'vitest';
import { compareDistance, distanceShare, randomWithin } from './distance.ts';
import { NetworkSize, regionBitsOf } from './network-size.ts';

const random = createSimRandom('network size');
const drawPoint = () => toHex(random.bytes(32));
const contactOf = (id: string) => ({ id, address: '10.0.0.1:1' });

test.each([100, 1_000, 4_000])('of %i nodes, the estimate is within a third', (nodes) => {
  const ids = Array.from({ length: nodes }, drawPoint);
  const size = new NetworkSize(20);
  const self = drawPoint();
  const nearTo = (at: string) => {
    const near = ids.filter((id) => distanceShare(at, id) < 60 / nodes);
    return near
      .sort((a, b) => compareDistance(at, a, b))
      .slice(0, 20)
      .map(contactOf);
  };
  for (let samples = 0; samples < 9; samples++) {
    const at = drawPoint();
    size.observe(at, nearTo(at));
  }
  const estimate = size.estimate(self, 20, nearTo(self));
  expect(estimate).toBeGreaterThan(nodes * 0.67);
  expect(estimate).toBeLessThan(nodes * 1.33);
  expect(size.estimate(self, nodes * 2, nearTo(self))).toBe(nodes * 2 + 1);
  // Who crowds one point moves one sample of eleven.
  const crowded = drawPoint();
  size.observe(
    crowded,
    Array.from({ length: 20 }, () => contactOf(randomWithin(crowded, 60, random))),
  );
  expect(size.estimate(self, 20, nearTo(self))).toBeLessThan(nodes * 1.6);
});

test('fewer nodes than a bucket holds are counted, this one among them', () => {
  const size = new NetworkSize(20);
  const self = drawPoint();
  const others = Array.from({ length: 19 }, () => contactOf(drawPoint()));
  for (const known of [0, 1, 4, 19]) {
    size.observe(drawPoint(), others.slice(0, known));
    expect(size.estimate(self, known, others.slice(0, known))).toBe(known + 1);
  }
});

test('a region holds as many nodes as it has to, and fewer than twice as many', () => {
  for (const nodes of [1, 20, 47, 48, 200, 1_000, 10_000, 1e6]) {
    const expected = nodes / 2 ** regionBitsOf(nodes, 24);
    if (nodes >= 24) expect(expected).toBeGreaterThanOrEqual(24);
    expect(expected).toBeLessThan(48);
  }
});
