import type { RunScenario } from './scenario.ts';

/** What a scenario file may name as its `kind`, and what runs it. */
export const scenarioKinds: Readonly<Record<string, () => Promise<RunScenario>>> = {
  'dht-sweep': async () => (await import('./dht/sweep-scenario.ts')).runSweep,
  'dht-sybil': async () => (await import('./dht/sybil-scenario.ts')).runSybils,
  whole: async () => (await import('./whole/whole-scenario.ts')).runWhole,
  swim: async () => (await import('./swim/swim-scenario.ts')).runSwim,
  dht: async () => (await import('./dht/dht-scenario.ts')).runDht,
};
