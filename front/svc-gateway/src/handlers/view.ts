import type { Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { indexContract } from '@ron/proto/names';
import type { LiveConfig } from '@ron/service';
import { readBundle, splitFolder } from '../bundle-reader.ts';
import { cachingOfName } from '../caching.ts';
import type { GatewayConfig } from '../config.ts';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import type { ManifestStore } from '../manifest-store.ts';
import { type ObjectReader, unknownType } from '../object-reader.ts';
import { encodePath } from '../site.ts';

export interface ViewPorts {
  readonly index: Peer<typeof indexContract>;
  readonly reader: ObjectReader;
  readonly manifests: ManifestStore;
  readonly config: LiveConfig<GatewayConfig>;
}

export function createView({ index, reader, manifests, config }: ViewPorts): GatewayHandlers['view'] {
  return async (input, call) => {
    const { rest: path, folder } = splitFolder(input.path);
    if (path === '' || path.endsWith('/')) throw new RonError('bad_request', 'a name has no empty label');
    const { record, rest } = await index.match({ path }, { context: call.context });
    const { address } = record;
    const named = {
      caching: cachingOfName(config.current(), input.path),
      name: encodePath(record.name),
      nameVersion: record.version,
    };
    const manifest = await manifests.open(address, call.context);
    if (manifest !== undefined) {
      const place = { address, manifest, rest, folder, urlPath: `/n/${input.path}`, ...named };
      return readBundle(reader, place, input, call);
    }
    if (rest !== '' || folder) {
      throw new RonError('not_found', 'the name points at one object, not at a bundle with entries');
    }
    return reader.read({ address, contentType: unknownType, ...named }, input, call);
  };
}
