import type { SimCommand } from './sim-args.ts';

const canaries = ['no-sync', 'no-directory-sync', 'no-verify', 'early-names', 'forgetful-roots'] as const;

/** A deliberately broken build that the checkers have to catch. */
export type Canary = (typeof canaries)[number];

export const command: SimCommand<Canary> = {
  path: 'tests/sim/main.ts',
  canaries,
  seedsDefault: 200,
  completeFrom: 100,
};
