import { type Canary, command } from './args.ts';
import { runSimulation } from './campaign.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { type Sighting, Sightings } from './sightings.ts';
import { warmUp } from './warm-up.ts';

if (process.argv.includes('--scenario')) {
  const { simulateNetwork } = await import('./network/main.ts');
  await simulateNetwork(process.argv.slice(2));
} else {
  await runSimulation<Canary, Sighting, SeedResult>({
    command,
    thread: new URL('./seed-thread.ts', import.meta.url),
    runSeed: async (options) => {
      await warmUp();
      return runSeed(options);
    },
    sightings: new Sightings(),
    canarySeedsMax: 40,
    work: { name: 'simulated requests', of: ({ requests }) => requests },
  });
}
