import { describe, expect, it } from 'vitest';
import { Histogram } from '../load/generator/histogram.ts';
import type { LoadResult, PhaseResult, TimelinePoint } from '../load/generator/plan.ts';
import { driftVerdict, errorVerdicts, growthVerdicts, timelineOf } from './findings.ts';
import type { SoakSample } from './sampler.ts';

const MiB = 1_048_576;
/** One each 10 s; RSS grows by that many MiB an hour, with a saw's teeth of 8 MiB. */
const samples = (minutes: number, perHour: number): SoakSample[] =>
  Array.from({ length: minutes * 6 }, (_, index) => {
    const rssBytes = (200 + (perHour * index * 10) / 3_600 + (index % 5) * 2) * MiB;
    const none = { heapBytes: Number.NaN, timers: 3, resources: 9 };
    return { atS: index * 10, rssBytes, descriptors: 40, series: 100, ...none };
  });
const rssOf = (list: SoakSample[]) => growthVerdicts(list, 600).find(({ bar }) => bar.startsWith('rssBytes'))!;

const result = (lane: string, more: Partial<PhaseResult>, points: readonly TimelinePoint[] = []): LoadResult => {
  const empty = new Histogram().pack();
  const counts = { offered: 10, good: 10, late: 0, refused: {}, failed: {}, repeated: 0 };
  const phase = { lane, phase: 'soak', seconds: 1, ...counts, latency: empty, refusal: empty, ...more };
  const generator = { lag: empty, busy: 0, saturated: 0, cpuSeconds: 0, connectionsPeak: 0 };
  return { phases: [phase], timelines: { [lane]: points }, generator, startedAtMs: 1_000 };
};
const point = (atMs: number, p99Ms: number): TimelinePoint => {
  return { atMs, offered: 1, good: 1, late: 0, refused: {}, failed: 0, p50Ms: 1, p99Ms };
};

describe('growth', () => {
  it('is missed above its bar and met below, through the teeth of a saw', () => {
    expect(rssOf(samples(60, 0)).met).toBe(true);
    expect(rssOf(samples(60, 30)).met).toBe(false);
  });

  it('of what does not move at all is met, and is not judged without samples', () => {
    const verdicts = growthVerdicts(samples(60, 0), 600);
    expect(verdicts.find(({ bar }) => bar.startsWith('timers'))?.met).toBe(true);
    expect(verdicts.find(({ bar }) => bar.startsWith('heapBytes'))?.met).toBeUndefined();
  });

  it('is not judged in a short run', () => {
    expect(rssOf(samples(20, 500)).met).toBeUndefined();
  });
});

describe('drift of p99', () => {
  const drift = (perHour: number) => {
    const points = Array.from({ length: 360 }, (_, index) => point(index * 10_000, 10 + (perHour * index) / 360));
    return driftVerdict([result('realistic', {}, points)], 1_000, 600).met;
  };
  it('is not called met where the noise may hide that it is not', () => {
    const noisy = Array.from({ length: 360 }, (_, index) => {
      const minute = Math.floor(index / 6);
      return point(index * 10_000, 10 + minute / 20 + ((minute * 37) % 61) / 3);
    });
    expect(driftVerdict([result('realistic', {}, noisy)], 1_000, 600).met).toBeUndefined();
  });
  it('is told from none', () => {
    expect(drift(0)).toBe(true);
    expect(drift(10)).toBe(false);
  });
});

describe('errors', () => {
  const chores = { done: { upload: 3 }, errors: {} };
  it('are all but the refusals of the lane that asks for too much', () => {
    const limited = result('limited', { refused: { '429 quota_exhausted:capability': 5 } });
    expect(errorVerdicts([limited], chores).map(({ met }) => met)).toEqual([true, true]);
    const other = result('mail', { refused: { '429 quota_exhausted:capability': 5 } });
    expect(errorVerdicts([other], chores).map(({ met }) => met)).toEqual([false, false]);
    const broken = result('limited', { refused: { '500 internal': 1 } });
    expect(errorVerdicts([limited, broken], chores)[0]!.met).toBe(false);
    expect(errorVerdicts([limited], { ...chores, errors: { 'upload: 500': 1 } })[0]!.met).toBe(false);
  });
});

it('loads of one round are on one line of time', () => {
  const both = [result('a', {}, [point(0, 1), point(10_000, 1)]), result('b', {}, [point(0, 2)])];
  expect(timelineOf([both], 0).map(({ atMs, good }) => [atMs, good])).toEqual([
    [1_000, 2],
    [11_000, 1],
  ]);
});
