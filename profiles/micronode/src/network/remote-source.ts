import { groupCount } from '@ron/b3';
import type { GroupSource } from '@ron/svc-edge/service';
import type { RemoteObjects } from '@ron/svc-overlay/service';

/** Other nodes as one source of the edge: each group comes from whichever of them is quickest, verified. */
export function remoteSource(objects: RemoteObjects): GroupSource {
  return {
    name: 'network',
    verifies: true,
    async stat(address, _wantsFirst, signal) {
      const { size, lastGroup } = await objects.end(address, signal);
      return { sizeBytes: size, ...(groupCount(size) === 1 ? { firstGroup: lastGroup } : { lastGroup }) };
    },
    outboard: (address, sizeBytes, signal) => objects.outboard(address, sizeBytes, signal),
    groups: async ({ address, sizeBytes, first, count }, signal) =>
      objects.groups(address, sizeBytes, { first, count }, signal),
  };
}
