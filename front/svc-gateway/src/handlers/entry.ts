import { RonError } from '@ron/proto/errors';
import type { LiveConfig } from '@ron/service';
import { readBundle, splitFolder } from '../bundle-reader.ts';
import { cachingOfAddress } from '../caching.ts';
import type { GatewayConfig } from '../config.ts';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import type { ManifestStore } from '../manifest-store.ts';
import type { ObjectReader } from '../object-reader.ts';

export function createEntry(
  reader: ObjectReader,
  manifests: ManifestStore,
  config: LiveConfig<GatewayConfig>,
): GatewayHandlers['entry'] {
  return async (input, call) => {
    const { address, path } = input;
    const manifest = await manifests.open(address, call.context);
    if (manifest === undefined) throw new RonError('not_found', 'this object is not a bundle, so it has no entries');
    // The slash after the address belongs to the route, so the empty path is the root folder with its slash.
    const { rest, folder } = path === '' ? { rest: '', folder: true } : splitFolder(path);
    const caching = cachingOfAddress(config.current(), address);
    return readBundle(
      reader,
      { address, manifest, rest, folder, urlPath: `/o/${address}/${path}`, caching },
      input,
      call,
    );
  };
}
