import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', '.stryker-tmp/**'],
    // What a machine that is busy with something else may take; a test that waits for nothing ends in milliseconds.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers only take turns, and the timings that tests wait on grow.
    maxWorkers: 2,
    coverage: { provider: 'v8', include: ['{protocol,sdk,core,trust,data,front,profiles,apps}/*/src/**/*.ts'] },
  },
});
