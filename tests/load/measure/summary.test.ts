import { describe, expect, it } from 'vitest';
import { Histogram } from '../generator/histogram.ts';
import type { GeneratorHealth, PhaseResult, TimelinePoint } from '../generator/plan.ts';
import type { ProcessSample } from './process-samples.ts';
import { cpuShares, totalRss } from './process-samples.ts';
import { mergedTimeline, summarize, unfitness } from './summary.ts';

const histogram = (...values: number[]) => {
  const made = new Histogram();
  for (const value of values) made.recordMs(value);
  return made.pack();
};
const phase = (lane: string, more: Partial<PhaseResult> = {}): PhaseResult => {
  const counts = { offered: 20, good: 10, late: 2, refused: { '503 x': 4 }, failed: { closed: 4 }, repeated: 0 };
  return { lane, phase: 'p', seconds: 2, ...counts, latency: histogram(1, 2), refusal: histogram(), ...more };
};
const health = (more: Partial<GeneratorHealth>): GeneratorHealth => {
  return { lag: histogram(1), busy: 0.5, saturated: 0, cpuSeconds: 1, connectionsPeak: 1, ...more };
};

describe('a summary', () => {
  it('adds lanes and tells rates a second', () => {
    const found = summarize([phase('a'), phase('b', { latency: histogram(100) })]);
    expect(found).toMatchObject({ offered: 20, goodput: 10, late: 2, refused: 4, failed: 4 });
    expect(found.refusals).toEqual({ '503 x': 8 });
    expect(found.p99Ms).toBe(100);
  });

  it('merges timelines by their sums and their worst percentile', () => {
    const point = (p99Ms: number): TimelinePoint => {
      return { atMs: 0, offered: 2, good: 1, late: 0, refused: { r: 1 }, failed: 0, p50Ms: Number.NaN, p99Ms };
    };
    const [merged] = mergedTimeline([[point(5)], [point(Number.NaN), point(9)]]);
    expect(merged).toMatchObject({ offered: 4, good: 2, refused: { r: 2 }, p50Ms: Number.NaN, p99Ms: 5 });
  });
});

describe('a generator is unfit', () => {
  it('when its loop is full, or when it is late', () => {
    expect(unfitness(health({}))).toBeUndefined();
    expect(unfitness(health({ saturated: 0.25 }))).toBeUndefined();
    expect(unfitness(health({ saturated: 0.26 }))).toContain('full');
    expect(unfitness(health({ lag: histogram(49) }))).toBeUndefined();
    expect(unfitness(health({ lag: histogram(51) }))).toContain('behind');
  });
});

describe('process samples', () => {
  const sample = (seconds: number, cpu: Record<string, number>, machine: number): ProcessSample => {
    return { atMs: seconds * 1_000, rssBytes: { node: 5, other: 7 }, cpuSeconds: cpu, machineBusySeconds: machine };
  };

  it('tell cores by process and what others used', () => {
    const { processes, others } = cpuShares([sample(0, { node: 1, gen: 0 }, 10), sample(10, { node: 6, gen: 2 }, 25)]);
    expect(processes).toEqual({ node: 0.5, gen: 0.2 });
    expect(others).toBeCloseTo(0.8);
  });

  it('count a process that came back under its name from nothing', () => {
    const list = [sample(0, { node: 5 }, 0), sample(5, { node: 7 }, 0), sample(8, {}, 0), sample(10, { node: 1 }, 0)];
    expect(cpuShares(list).processes['node']).toBeCloseTo(0.3);
  });

  it('add up what is named', () => {
    expect(totalRss(sample(0, {}, 0), ['node', 'gone'])).toBe(5);
  });
});
