import { describe, expect, test } from 'vitest';
import { readScenario, type ScenarioArgs } from '../scenario.ts';
import { runSwim } from './swim-scenario.ts';

const shortened = { quiet_minutes: 0.5, crashes: 3, messages: 3 };

function run(scenario: 'swim' | 'swim-partition', changes: object = {}, args: Partial<ScenarioArgs> = {}) {
  const partition = scenario === 'swim-partition' ? { crashes: 0, messages: 0 } : {};
  const file = { ...(readScenario(scenario) as object), ...shortened, ...partition, ...changes };
  return runSwim(file, { scenario, seed: 3, nodes: 24, wire: false, canary: undefined, ...args });
}

const failed = ({ verdicts }: Awaited<ReturnType<typeof run>>) =>
  verdicts.filter(({ ok }) => !ok).map(({ name, said }) => `${name}: ${said}`);

describe('the swim scenario', () => {
  test('holds, over schemas and JSON too, and is the same for the same seed', async () => {
    const [once, wired, again] = [await run('swim'), await run('swim', {}, { wire: true }), await run('swim')];
    expect([failed(once), failed(wired)]).toEqual([[], []]);
    expect(again.values).toEqual(once.values);
    expect(wired.values['trace_hash']).toBe(once.values['trace_hash']);
    const other = await run('swim', {}, { seed: 4 });
    expect(other.values['trace_hash']).not.toBe(once.values['trace_hash']);
  });

  test('heals after a partition', async () => {
    expect(failed(await run('swim-partition'))).toEqual([]);
  });

  test('catches a build that does not refute', async () => {
    const broken = await run('swim-partition', {}, { canary: 'no-refutation' });
    expect(failed(broken).join()).toMatch(/membership converges: not in/);
  });

  test('catches a build without dedupe', async () => {
    const broken = await run('swim', { crashes: 0, messages: 1 }, { canary: 'no-dedupe', nodes: 6 });
    expect(failed(broken).join()).toMatch(/gossip arrives once/);
  });
});
