import { expect, test } from 'vitest';
import { readScenario, type ScenarioArgs } from '../scenario.ts';
import { runDht } from './dht-scenario.ts';
import { runSweep } from './sweep-scenario.ts';
import { runSybils } from './sybil-scenario.ts';

const args = (scenario: string, more: Partial<ScenarioArgs> = {}): ScenarioArgs => ({
  scenario,
  seed: 3,
  nodes: undefined,
  wire: false,
  canary: undefined,
  ...more,
});
const failed = ({ verdicts }: Awaited<ReturnType<typeof runDht>>) =>
  verdicts.filter(({ ok }) => !ok).map(({ name }) => name);
const scenario = (name: string, more: object) => ({ ...(readScenario(name) as object), ...more });

const small = { nodes: 40, join_ms: 20_000, keys: 20, lookups: 60, lookups_over_ms: 20_000, idle_ms: 0 };

test('the same seed gives the same trace, another one another', async () => {
  const file = scenario('dht', small);
  const first = await runDht(file, args('dht'));
  expect(failed(first)).toEqual([]);
  expect((await runDht(file, args('dht'))).values).toEqual(first.values);
  expect((await runDht(file, args('dht', { seed: 4 }))).values['trace_hash']).not.toBe(first.values['trace_hash']);
});

test('every message of it is JSON of the contract', async () => {
  const result = await runDht(scenario('dht', { ...small, nodes: 30 }), args('dht', { wire: true }));
  expect(failed(result)).toEqual([]);
});

test('with churn and bad links the faults fire, and it holds', async () => {
  const links = { loss: 0.01, reorder: 0.05, reorder_ms: 100, duplicate: 0.01 };
  const file = scenario('dht-churn', { ...small, churn_per_hour: 1, lookups_over_ms: 900_000, links });
  expect(failed(await runDht(file, args('dht-churn')))).toEqual([]);
});

const attacked = {
  nodes: 48,
  join_ms: 20_000,
  rounds: 1,
  lookups_a_round: 5,
  flood_nodes: 15,
  flood_ms: 10_000,
  sybil_bits: 11,
};

test('an attack beside a key denies it without the defence and not with it', async () => {
  expect(failed(await runSybils(scenario('dht-sybil', attacked), args('dht-sybil')))).toEqual([]);
});

// A bucket has to be full before anybody is pushed out of it.
test.each([
  ['evict-oldest', 'flood_table_kept_share', { nodes: 64, flood_nodes: 30, lookups_a_round: 1 }],
  ['no-verify', 'forged_kept', { flood_nodes: 1 }],
])('the canary %s is caught by %s', async (canary, caught, more) => {
  const result = await runSybils(scenario('dht-sybil', { ...attacked, ...more }), args('dht-sybil', { canary }));
  expect(failed(result)).toContain(caught);
});

test('a sweep places every key with a lookup a region', async () => {
  const file = scenario('dht-sweep', { nodes: 40, join_ms: 20_000, keys: 300, lookups: 20 });
  expect(failed(await runSweep(file, args('dht-sweep')))).toEqual([]);
});
