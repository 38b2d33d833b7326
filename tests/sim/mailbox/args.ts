import type { SimCommand } from '../sim-args.ts';
import { type Canary, canaries } from './canaries.ts';

export const command: SimCommand<Canary> = {
  path: 'tests/sim/mailbox/main.ts',
  canaries,
  seedsDefault: 1_000,
  completeFrom: 200,
};
