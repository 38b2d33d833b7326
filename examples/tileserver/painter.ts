import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { pathOf, type TilePath } from './pyramid.ts';
import { renderTile } from './terrain.ts';

/** A thread that paints its share of the tiles. */
const { folder, tiles } = workerData as { readonly folder: string; readonly tiles: readonly TilePath[] };
for (const tile of tiles) writeFileSync(join(folder, pathOf(tile)), renderTile(tile.z, tile.x, tile.y));
