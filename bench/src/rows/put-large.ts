import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { startNode } from '../node-process.ts';
import { output } from '../processes.ts';
import type { Row } from '../row.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** `ron put` of a file of 3 GB on the disk engine, as a user types it, against hashing alone. */
export const putLargeRow: Row = {
  id: 'put-3g',
  job: '`ron put` of 3 GB, disk engine, end to end',
  anchor: 'b3sum, one thread (hashes only)',
  bar: 0.3,
  needs: ['b3sum'],
  async run({ rounds, folder }) {
    const ours: number[] = [];
    const anchor: number[] = [];
    let evidence = '';
    for (let round = 0; round < Math.min(rounds, 2); round += 1) {
      const file = join(folder, 'image');
      await pipeline(
        createReadStream('/dev/urandom', { end: 3e9 - 1, highWaterMark: 1_048_576 }),
        createWriteStream(file),
      );
      const persist = join(folder, `node-${round}`);
      await using node = await startNode({ persist });
      let began = performance.now();
      const digest = (await output('b3sum', ['--num-threads', '1', '--no-names', file])).trim();
      anchor.push(3e6 / (performance.now() - began));
      const before = await peakRss(node.pid);
      began = performance.now();
      const printed = await output('sh', [
        '-c',
        `RON_NODE_URL=${node.url} RON_CAP=${node.capability} ${process.execPath} ${join(root, 'apps/ron/bin/ron.js')} put ${file}`,
      ]);
      ours.push(3e6 / (performance.now() - began));
      if (!printed.includes(`b3:${digest}`)) throw new Error(`the node stored something else: ${printed}`);
      evidence = `address equals b3sum; peak RSS of the node grew by ${((await peakRss(node.pid)) - before).toFixed(0)} MB`;
      await rm(file);
    }
    return { unit: 'MB/s', ours, anchor, higherIsBetter: true, evidence };
  },
};

async function peakRss(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return (Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1_024) / 1e6;
}
