import type { Disk, Log } from '@ron/kernel';
import { NodeId } from '@ron/proto/network';
import { Ban, NodeRecord } from '@ron/proto/overlay';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';

/** Nodes, bans and measurements that are kept, each. */
export const storedMax = 4_096;
/** A record has at most 1.6 KiB as JSON, and usually 0.4. */
const fileBytesMax = 16 * 1_024 * 1_024;
const strict = { additionalProperties: false } as const;

const StoredPeers = Type.Object(
  {
    v: Type.Literal(1),
    records: Type.Array(NodeRecord, { maxItems: storedMax }),
    bans: Type.Array(Ban, { maxItems: storedMax }),
    qualities: Type.Array(
      Type.Object(
        { id: NodeId, throughput: Type.Number({ minimum: 0 }), failures: Type.Number({ minimum: 0, maximum: 1 }) },
        strict,
      ),
      { maxItems: storedMax },
    ),
  },
  strict,
);
export type StoredPeers = Static<typeof StoredPeers>;

const nothing: StoredPeers = { v: 1, records: [], bans: [], qualities: [] };

/** What a node remembers of others over a restart. Nothing in it is trusted: records are signed, and who is dialled proves itself. */
export interface PeerStore {
  /** Empty when there is nothing, or nothing that can be read. */
  load(): Promise<StoredPeers>;
  /** After it resolves, what was given is there whole after a crash; before, that or what was there. */
  save(peers: StoredPeers): Promise<void>;
}

export function createRamPeerStore(): PeerStore {
  let kept = nothing;
  return {
    load: async () => kept,
    async save(peers) {
      kept = peers;
    },
  };
}

/** One JSON file, replaced as a whole. `path` is in a folder that exists. */
export function createDiskPeerStore({ disk, log, path }: { disk: Disk; log: Log; path: string }): PeerStore {
  return {
    async load() {
      try {
        const text = await readText(disk, path);
        if (text === undefined) return nothing;
        const stored: unknown = JSON.parse(text);
        if (Value.Check(StoredPeers, stored)) return stored;
        log.warn({}, 'the peer store is damaged: this node begins without it');
      } catch (error) {
        log.warn({ error }, 'the peer store cannot be read: this node begins without it');
      }
      return nothing;
    },
    save: (peers) => replace(disk, path, new TextEncoder().encode(JSON.stringify(peers))),
  };
}

async function readText(disk: Disk, path: string): Promise<string | undefined> {
  const stat = await disk.stat(path);
  if (stat === undefined) return undefined;
  if (stat.kind !== 'file' || stat.sizeBytes > fileBytesMax) throw new Error('it is no file of this size');
  await using file = await disk.open(path, 'read');
  const bytes = new Uint8Array(stat.sizeBytes);
  const read = await file.read(bytes, 0);
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, read));
}

async function replace(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  await disk.remove(temporary);
  const file = await disk.open(temporary, 'create');
  try {
    await file.write([bytes], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');
}
