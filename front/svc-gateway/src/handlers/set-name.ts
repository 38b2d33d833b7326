import { parseName } from '@ron/naming';
import type { Peer } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import { expectationOf } from '../name-versions.ts';
import { holdObject } from '../object-holding.ts';

export function createSetName(
  index: Peer<typeof indexContract>,
  storage: Peer<typeof storageContract>,
): GatewayHandlers['set_name'] {
  return async ({ name, address, expires_at, if_match, if_none_match }, { context }) => {
    parseName(name);
    const expected = expectationOf(if_match, if_none_match);
    await holdObject(storage, address, 'a name points at it', context);
    const version =
      expected.kind === 'version'
        ? expected.version
        : (await index.resolve({ name, fresh: true }, { context })).version;
    return index.set(
      {
        name,
        address,
        ...(version === undefined ? {} : { if_version: version }),
        ...(expires_at === undefined ? {} : { expires_at }),
      },
      { context },
    );
  };
}
