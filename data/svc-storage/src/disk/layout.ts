import type { Disk } from '@ron/kernel';
import type { Address } from '@ron/naming';

/** Unit of verification of what lies in files. */
export const groupBytes = 65_536;

/** Where things are below the engine's folder. */
export interface Layout {
  readonly root: string;
  readonly journal: string;
  readonly objects: string;
  /** Objects being written: nothing in it outlives a start. */
  readonly temporary: string;
  readonly stagings: string;
  shard(address: Address): string;
  object(address: Address): string;
}

export function layoutOf(root: string): Layout {
  const objects = `${root}/objects`;
  const shard = (address: Address) => `${objects}/${address.slice(3, 5)}`;
  return {
    root,
    journal: `${root}/journal`,
    objects,
    temporary: `${root}/temporary`,
    stagings: `${root}/stagings`,
    shard,
    object: (address) => `${shard(address)}/${address.slice(3)}`,
  };
}

/** Makes the folders durable. Refuses what is there under their names but is not a folder: no link is followed. */
export async function makeLayout(disk: Disk, layout: Layout): Promise<void> {
  await requireDirectory(disk, layout.root);
  for (const path of [layout.objects, layout.temporary, layout.stagings, layout.journal]) {
    await requireDirectory(disk, path);
  }
  await disk.syncDirectory(layout.root);
  for (const name of await disk.list(layout.objects)) await requireDirectory(disk, `${layout.objects}/${name}`);
}

async function requireDirectory(disk: Disk, path: string): Promise<void> {
  const stat = await disk.stat(path);
  if (stat === undefined) return disk.makeDirectory(path);
  if (stat.kind !== 'directory') throw new Error(`${path} must be a folder, not a link or another kind of file`);
}
