import { runSimulation } from '../campaign.ts';
import { command } from './args.ts';
import type { Canary } from './canaries.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { type Sighting, Sightings } from './sightings.ts';

await runSimulation<Canary, Sighting, SeedResult>({
  command,
  thread: new URL('./seed-thread.ts', import.meta.url),
  runSeed,
  sightings: new Sightings(),
  canarySeedsMax: 60,
  work: { name: 'operations', of: ({ operations }) => operations },
});
