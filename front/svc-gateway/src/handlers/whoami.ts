import type { CapabilityView } from '@ron/proto/capability';
import type { Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { GatewayHandlers } from '../gateway-handlers.ts';

/** A principal that came from a capability can show it; nobody in particular cannot. */
type ShowsItself = Principal & { view?: () => CapabilityView };

export function createWhoami(): GatewayHandlers['whoami'] {
  return (_input, { context }) => {
    const principal: ShowsItself = context.principal;
    if (principal.view === undefined) throw new RonError('unauthenticated', 'this request carries no capability');
    return principal.view();
  };
}
