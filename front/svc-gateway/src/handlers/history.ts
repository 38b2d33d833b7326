import { parseName } from '@ron/naming';
import type { Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { indexContract } from '@ron/proto/names';
import type { GatewayHandlers } from '../gateway-handlers.ts';

const suffix = '/history';

export function createHistory(index: Peer<typeof indexContract>): GatewayHandlers['history'] {
  return ({ path, ...page }, { context }) => {
    if (!path.endsWith(suffix)) {
      throw new RonError('bad_request', 'ask /name/{name}/history, or /name/resolve/{name} for the current record');
    }
    const name = parseName(path.slice(0, -suffix.length));
    // The declared scope is on the whole path, which a capability for a name called "…/history" also covers.
    if (!context.principal.allows('read', `n/${name}`)) {
      throw new RonError('forbidden', 'the capability does not allow "read" here');
    }
    return index.history({ name, ...page }, { context });
  };
}
