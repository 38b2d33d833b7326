import { defineConfig } from 'vitest/config';
import { manyRuns } from './tools/chance/many-runs.ts';

/** `npm run chance` asks for more random runs of every property, and gives them the time. */
const times = Number(process.env.RON_RUNS_TIMES ?? 1);

export default defineConfig({
  plugins: times === 1 ? [] : [manyRuns(times)],
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', '.stryker-tmp/**'],
    // What a machine that is busy with something else may take; a test that waits for nothing ends in milliseconds.
    testTimeout: 180_000 * times,
    hookTimeout: 180_000,
    // Two cores: more workers only take turns, and the timings that tests wait on grow.
    maxWorkers: 2,
    coverage: { provider: 'v8', include: ['{protocol,sdk,core,trust,data,front,profiles,apps}/*/src/**/*.ts'] },
  },
});
