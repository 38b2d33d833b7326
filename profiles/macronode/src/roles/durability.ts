import type { Config } from '@ron/kernel';
import type { MacronodeTables } from '../config.ts';

/** What the engines of a process promise. */
export function durabilityOf(config: Config<MacronodeTables>): 'memory' | 'fsync' {
  return config.table('topology').current().engines === 'disk' ? 'fsync' : 'memory';
}
