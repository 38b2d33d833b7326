import type { Disk } from '@ron/kernel';
import type { Address } from '@ron/naming';
import type { Catalog, CatalogEntry } from './catalog.ts';
import type { Layout } from './layout.ts';

/**
 * Makes the folders agree with the journal: what was being written when the process ended is removed, and the objects
 * whose file is gone are returned.
 */
export async function sweep(disk: Disk, layout: Layout, catalog: Catalog): Promise<readonly CatalogEntry[]> {
  for (const name of await disk.list(layout.temporary)) await disk.remove(`${layout.temporary}/${name}`);
  const missing = new Set<CatalogEntry>();
  for (const entry of catalog.entries()) if (!entry.small) missing.add(entry);
  for (const shard of await disk.list(layout.objects)) {
    const folder = `${layout.objects}/${shard}`;
    for (const name of await disk.list(folder)) {
      const entry = catalog.get(`b3:${name}` as Address);
      if (entry !== undefined && !entry.small && name.startsWith(shard)) missing.delete(entry);
      else await disk.remove(`${folder}/${name}`);
    }
  }
  return [...missing];
}
