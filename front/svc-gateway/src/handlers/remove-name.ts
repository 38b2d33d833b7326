import { parseName } from '@ron/naming';
import type { Peer } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import { expectationOf } from '../name-versions.ts';

export function createRemoveName(index: Peer<typeof indexContract>): GatewayHandlers['remove_name'] {
  return ({ name, if_match }, { context }) => {
    parseName(name);
    const expected = expectationOf(if_match, undefined);
    // `If-Match: *` adds nothing: an absent name is not_found anyway.
    const version = expected.kind === 'version' ? expected.version : undefined;
    return index.remove({ name, ...(version === undefined ? {} : { if_version: version }) }, { context });
  };
}
