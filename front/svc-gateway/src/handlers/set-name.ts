import { parseName } from '@ron/naming';
import type { Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { indexContract } from '@ron/proto/names';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import { expectationOf } from '../name-versions.ts';

export function createSetName(
  index: Peer<typeof indexContract>,
  storage: Peer<typeof storageContract>,
): GatewayHandlers['set_name'] {
  return async ({ name, address, expires_at, if_match, if_none_match }, { context }) => {
    parseName(name);
    const expected = expectationOf(if_match, if_none_match);
    // `has` also keeps the object from collection until the name holds it.
    const { missing } = await storage.has({ addresses: [address] }, { context });
    if (missing.length > 0) {
      throw new RonError('not_found', 'the object is not stored here: put it before a name points at it', {
        details: { address },
      });
    }
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
