import { defineConfig } from 'vitest/config';
import { manyRuns } from './tools/chance/many-runs.ts';

/** `npm run chance` asks for more random runs of every property, and gives them the time. */
const times = Number(process.env.RON_RUNS_TIMES ?? 1);

const notOurs = ['**/node_modules/**', '**/dist/**', '.stryker-tmp/**'];
/** Tests that share one PostgreSQL server. */
const onPostgres = 'tests/contract/engines/postgres';

export default defineConfig({
  plugins: times === 1 ? [] : [manyRuns(times)],
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'all', include: ['**/*.test.ts'], exclude: [...notOurs, `${onPostgres}/**`] },
      },
      {
        extends: true,
        test: {
          name: 'postgres',
          include: [`${onPostgres}/**/*.test.ts`],
          exclude: notOurs,
          // A server from npm, started only when one of these tests is run.
          globalSetup: 'tests/support/postgres-setup.ts',
        },
      },
    ],
    // What a machine that is busy with something else may take; a test that waits for nothing ends in milliseconds.
    testTimeout: 180_000 * times,
    hookTimeout: 180_000,
    // Two cores: more workers only take turns, and the timings that tests wait on grow.
    maxWorkers: 2,
    coverage: { provider: 'v8', include: ['{protocol,sdk,core,trust,data,front,profiles,apps}/*/src/**/*.ts'] },
  },
});
