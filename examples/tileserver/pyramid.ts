import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

export interface TilePath {
  readonly z: number;
  readonly x: number;
  readonly y: number;
}

/** All tiles down to a zoom level: 4 at each level for one at the level above. */
export function tilesDownTo(zoomMax: number): TilePath[] {
  const tiles: TilePath[] = [];
  for (let z = 0; z <= zoomMax; z += 1) {
    for (let x = 0; x < 2 ** z; x += 1) for (let y = 0; y < 2 ** z; y += 1) tiles.push({ z, x, y });
  }
  return tiles;
}

export function pathOf({ z, x, y }: TilePath): string {
  return `tiles/${z}/${x}/${y}.png`;
}

/** Writes the map into an empty folder: its page, and `tiles/{z}/{x}/{y}.png`. */
export async function writeMap(folder: string, zoomMax: number): Promise<void> {
  const page = join(import.meta.dirname, 'page');
  for (const file of ['map.js', 'timings.js', 'style.css']) copyFileSync(join(page, file), join(folder, file));
  const html = readFileSync(join(page, 'index.html'), 'utf8');
  writeFileSync(join(folder, 'index.html'), html.replace('{{zoom_max}}', String(zoomMax)));
  const tiles = tilesDownTo(zoomMax);
  for (const tile of tiles) mkdirSync(join(folder, 'tiles', String(tile.z), String(tile.x)), { recursive: true });
  const painters = Math.min(availableParallelism(), 8);
  const shares = Array.from({ length: painters }, (_, share) => tiles.filter((_tile, at) => at % painters === share));
  await Promise.all(shares.map((share) => paint(folder, share)));
}

function paint(folder: string, tiles: readonly TilePath[]): Promise<void> {
  const worker = new Worker(new URL('./painter.ts', import.meta.url), { workerData: { folder, tiles } });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => resolve());
  });
}
