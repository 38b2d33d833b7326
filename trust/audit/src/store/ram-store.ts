import { type AuditStore, type FoundLog, StoreError } from './store.ts';

/** Leaves whose hashes are kept in memory: 512 MiB. One more is refused. */
const leavesMaxDefault = 16_777_216;

export const emptyLog: FoundLog = { tiles: 0, tail: [], checkpoint: undefined, damage: undefined };

/** Gone with the process. Bundles can be dropped, hash tiles stay: 32 bytes an entry. */
export function createRamStore(leavesMax = leavesMaxDefault): AuditStore {
  const tiles = new Map<string, Uint8Array>();
  const bundles = new Map<number, Uint8Array>();
  let bundlesFrom = 0;
  let bundleBytes = 0;
  return {
    durability: 'memory',
    get bundlesFrom() {
      return bundlesFrom;
    },
    get bundleBytes() {
      return bundleBytes;
    },
    async append(first, entries) {
      if (first + entries.length > leavesMax) {
        throw new StoreError('full', `a log in memory has at most ${leavesMax} entries`);
      }
    },
    async putTiles(newBundles, newTiles) {
      for (const { number, bytes } of newBundles) {
        bundles.set(number, bytes);
        bundleBytes += bytes.byteLength;
      }
      for (const { level, number, bytes } of newTiles) tiles.set(`${level}/${number}`, bytes);
    },
    readTile: async (level, number) => tiles.get(`${level}/${number}`),
    readBundle: async (number) => bundles.get(number),
    async dropBundles(below) {
      for (; bundlesFrom < below; bundlesFrom += 1) {
        bundleBytes -= (bundles.get(bundlesFrom) as Uint8Array).byteLength;
        bundles.delete(bundlesFrom);
      }
    },
    putCheckpoint: async () => undefined,
    makeRoom: async () => undefined,
    [Symbol.asyncDispose]: async () => {
      tiles.clear();
      bundles.clear();
    },
  };
}
