import type { Clock } from './clock.ts';
import type { Disk } from './disk.ts';
import type { Net } from './net.ts';
import type { Random } from './random.ts';
import type { Work } from './work.ts';

/** Everything outside the program. Real in a profile, simulated in `tests/sim`; nothing else reaches outside. */
export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly net: Net;
  readonly work: Work;
}
