import type { Scenario } from '../scenario.ts';
import { backendKilled, rollingRestart } from './backends.ts';
import { noisyNeighbour } from './noisy-neighbour.ts';
import { overload2x, overload4x } from './overload.ts';
import { slowClients } from './slow-clients.ts';
import { spike } from './spike.ts';
import { steady } from './steady.ts';

/** In the order in which they run. */
export const scenarios: readonly Scenario[] = [
  steady,
  spike,
  overload2x,
  overload4x,
  slowClients,
  noisyNeighbour,
  backendKilled,
  rollingRestart,
];
