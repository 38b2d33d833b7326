import { describe, expect, it } from 'vitest';
import { Histogram } from './generator/histogram.ts';
import type { ProbeResult } from './measure/health-probe.ts';
import type { Run } from './scenario.ts';
import { compared, healthVerdict, judged, ofPeak } from './verdicts.ts';

const run = (unfit?: string, good = 100): Run => {
  const counts = { offered: 100, good, late: 0, refused: {}, failed: {}, repeated: 0 };
  const empty = new Histogram().pack();
  const phase = { lane: 'a', phase: 'p', seconds: 1, ...counts, latency: empty, refusal: empty };
  const generator = { lag: empty, busy: 0, saturated: 0, cpuSeconds: 0, connectionsPeak: 0 };
  return { label: 'r', unfit, result: { phases: [phase], timelines: {}, generator, startedAtMs: 0 } };
};
const probe = (worstMs: number, failures = 0): ProbeResult => {
  const times = new Histogram();
  times.recordMs(worstMs);
  return { times, failures, points: [] };
};

describe('a verdict', () => {
  it('holds a miss against the server only when the generator was fit', () => {
    expect(judged([run()], 'b', 'f', false).met).toBe(false);
    expect(judged([run(), run('full')], 'b', 'f', false)).toEqual({ bar: 'b', found: 'f; full', met: undefined });
    expect(judged([run('full')], 'b', 'f', true).met).toBe(true);
  });

  it('compares with a sound baseline only, also when the bar looks met', () => {
    expect(compared(run(), [run()], 'b', 'f', true).met).toBe(true);
    expect(compared(run(), [run()], 'b', 'f', false).met).toBe(false);
    expect(compared(run('full'), [run()], 'b', 'f', true).met).toBeUndefined();
    expect(compared(run(undefined, 90), [run()], 'b', 'f', true).met).toBeUndefined();
  });

  it('about a share of peak holds only when the server set the peak', () => {
    const verdict = { bar: 'b', found: 'f', met: true };
    const found = { perSecond: 1, peakPerSecond: 1, steps: [] };
    expect(ofPeak({ ...found, limitedBy: 'server' }, verdict)).toBe(verdict);
    expect(ofPeak({ ...found, limitedBy: 'generator' }, verdict).met).toBeUndefined();
  });

  it('about health: 50 ms, unless an idle server did not manage it either', () => {
    expect(healthVerdict(probe(50), probe(1)).met).toBe(true);
    expect(healthVerdict(probe(51), probe(50)).met).toBe(false);
    expect(healthVerdict(probe(51), probe(51)).met).toBeUndefined();
    expect(healthVerdict(probe(1, 1), probe(100)).met).toBe(false);
  });
});
