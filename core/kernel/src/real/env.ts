import type { Env } from '../env/env.ts';
import { createRealClock } from './clock.ts';
import { createNoDisk, createRealDisk } from './disk.ts';
import { createRealNet, type RealNetOptions } from './net.ts';
import { createRealRandom } from './random.ts';
import { createInlineWork } from './work.ts';

export interface RealEnvOptions extends RealNetOptions {
  /** The data folder, made when absent. Without it the node keeps nothing: every disk call rejects with `ENODISK`. */
  readonly root?: string;
}

export function createRealEnv(options: RealEnvOptions = {}): Env {
  return {
    clock: createRealClock(),
    random: createRealRandom(),
    disk: options.root === undefined ? createNoDisk() : createRealDisk(options.root),
    net: createRealNet(options),
    work: createInlineWork(),
  };
}
