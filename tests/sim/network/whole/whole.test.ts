import { expect, test } from 'vitest';
import { readScenario, type ScenarioArgs } from '../scenario.ts';
import { runWhole } from './whole-scenario.ts';

const small = { nodes: 12, joins_per_s: 4, writes: 12, writes_while_cut: 12, rest_ms: 0 };

function run(args: Partial<ScenarioArgs> = {}, changes: object = {}) {
  const file = { ...(readScenario('whole-partition') as object), ...small, ...changes };
  return runWhole(file, {
    scenario: 'whole-partition',
    seed: 3,
    nodes: undefined,
    wire: false,
    canary: undefined,
    ...args,
  });
}

const failed = ({ verdicts }: Awaited<ReturnType<typeof run>>) =>
  verdicts.filter(({ ok }) => !ok).map(({ name }) => name);

test('membership, DHT and copies come through a cut and two deaths, the same way for the same seed', async () => {
  const [once, again] = [await run(), await run()];
  expect(failed(once)).toEqual([]);
  expect(again.values).toEqual(once.values);
  expect((await run({ seed: 4 })).values['trace_hash']).not.toBe(once.values['trace_hash']);
});

test('every message of it is JSON of its contract', async () => {
  expect(failed(await run({ wire: true }))).toEqual([]);
});

test.each([
  ['ack-early', 'no acknowledged write is lost'],
  ['no-repair', 'copies are made again'],
] as const)('the canary %s is caught by: %s', async (canary, caught) => {
  expect(failed(await run({ canary }))).toContain(caught);
});

test('a fault that was asked for and never happened fails the run', async () => {
  const result = await run({}, { links: { loss: 1e-9 }, writes: 1, writes_while_cut: 1 });
  expect(failed(result)).toContain('fired_loss');
});

test('as many crashes as copies are no promise to anybody', async () => {
  await expect(run({}, { crashes: 3 })).rejects.toThrow(RangeError);
});
