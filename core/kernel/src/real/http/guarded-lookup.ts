import dns, { type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { SystemError } from '../../env/system-error.ts';

/**
 * Resolves a name once for a connection and gives out only addresses that `allow` lets through: what was judged is what is
 * connected to, so a name cannot mean something else a moment later.
 */
export function createGuardedLookup(
  allow: (address: string) => boolean,
  resolve: (name: string) => Promise<readonly LookupAddress[]> = (name) => dns.promises.lookup(name, { all: true }),
): LookupFunction {
  return (name, { all, family }, callback) => {
    resolve(name).then(
      (found) => {
        const wanted = family === 4 || family === 6 ? family : undefined;
        const allowed = found.filter((each) => allow(each.address) && (wanted ?? each.family) === each.family);
        const [first] = allowed;
        if (first === undefined) callback(new SystemError('EACCES', 'no address of the origin is allowed'), '');
        else if (all === true) callback(null, allowed);
        else callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, ''),
    );
  };
}
