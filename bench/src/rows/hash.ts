import { randomFillSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTreeHasher } from '@ron/b3';
import { output } from '../processes.ts';
import type { Row } from '../row.ts';

const sizeBytes = 512 * 1_024 * 1_024;
const pieceBytes = 1_024 * 1_024;

/** Our tree kernel (root and outboard) against the reference tool on one thread, the file in the page cache. */
export const hashRow: Row = {
  id: 'hash',
  job: 'stream hashing with outboard, 512 MiB',
  anchor: 'b3sum, one thread, without outboard',
  bar: undefined,
  needs: ['b3sum'],
  async run({ rounds, folder }) {
    const bytes = randomFillSync(new Uint8Array(sizeBytes));
    const file = join(folder, 'object');
    await writeFile(file, bytes);
    const ours: number[] = [];
    const anchor: number[] = [];
    let evidence = '';
    for (let round = 0; round < rounds; round += 1) {
      let began = performance.now();
      const printed = (await output('b3sum', ['--num-threads', '1', '--no-names', file])).trim();
      anchor.push(sizeBytes / 1e3 / (performance.now() - began));
      began = performance.now();
      const hasher = createTreeHasher();
      for (let at = 0; at < sizeBytes; at += pieceBytes) hasher.update(bytes.subarray(at, at + pieceBytes));
      const { root, outboard } = hasher.finish();
      ours.push(sizeBytes / 1e3 / (performance.now() - began));
      if (Buffer.from(root).toString('hex') !== printed) throw new Error('the two disagree on the hash');
      evidence = `same digest; outboard of ${outboard.byteLength} bytes`;
    }
    return { unit: 'MB/s', ours, anchor, higherIsBetter: true, evidence };
  },
};
