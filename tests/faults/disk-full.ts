import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { call, jsonOf, put, setName } from './client.ts';
import { contentOf } from './contents.ts';
import { mount } from './programs.ts';
import { countsOf, must, type Scenario, temporaryFolder } from './scenario.ts';

const MiB = 1_048_576;

/** A file system of 96 MiB, once to its last byte and once with the reserve that the node keeps. */
export const diskFull: Scenario = {
  name: 'disk-full',
  summary: 'a full file system: 507, reads, collection, recovery without restart',
  async run() {
    const last = await fill(['--set', 'disk.reserve_bytes=0']);
    const reserve = await fill(['--set', `disk.reserve_bytes=${32 * MiB}`]);
    return `to the last byte: ${last}; with a reserve: ${reserve}`;
  },
};

async function fill(args: readonly string[]): Promise<string> {
  using folder = temporaryFolder('full');
  const path = join(folder.path, 'disk');
  mkdirSync(path);
  using _disk = mount('disk-full', path, '-t', 'tmpfs', '-o', 'size=96m', 'tmpfs');
  const now = ['--set', 'storage.grace_ms=0', '--set', 'storage.trash_ms=0'];
  await using node = await startNodeProcess({ args: ['--persist', join(path, 'data'), ...now, ...args] });
  const kept = await put(node, contentOf(1, 500_000));
  await setName(node, 'full/kept', kept);
  const counts = await writeUntilFull(node);
  must(node.alive, `the node died: ${node.stderr().slice(-600)}`);
  const read = await call(node, 'GET', '/n/full/kept');
  must(read.status === 200 && read.body.equals(contentOf(1, 500_000)), `reads are fine: ${read.status}`);
  const named = await call(node, 'PUT', '/name/full/other', JSON.stringify({ address: kept }));
  must([200, 503, 507].includes(named.status), `a name on a full disk: ${named.status} ${named.body}`);
  const again = await recover(node);
  must((await call(node, 'GET', `/o/${kept}`)).body.equals(contentOf(1, 500_000)), 'what a name holds is kept');
  return countsOf({ ...counts, 'collections until writes work again': again });
}

/** Objects of each size until none is taken any more. */
async function writeUntilFull(node: NodeProcess): Promise<Record<string, number>> {
  const counts = { stored: 0, 'refused with 507': 0 };
  let seed = 10;
  for (const size of [2 * MiB, 200_000, 60_000, 1_000]) {
    for (let refused = 0; refused < 5; ) {
      const reply = await call(node, 'PUT', '/put', contentOf(seed++, size));
      if (reply.status === 201) counts.stored++;
      else {
        must(reply.status === 507, `on a full disk: ${reply.status} ${reply.body} ${node.stderr().slice(-600)}`);
        counts['refused with 507']++;
        refused++;
      }
      must(seed < 200_000, 'the disk becomes full');
    }
  }
  return counts;
}

/** Collection frees what nobody holds; journal segments are rewritten, which may take more than one round. */
async function recover(node: NodeProcess): Promise<number> {
  let last = '';
  for (let round = 1; round <= 20; round++) {
    const collected = await call(node, 'POST', '/admin/collect', '{}', 120_000);
    must(collected.status === 200, `collection on a full disk: ${collected.status} ${collected.body}`);
    const reply = await call(node, 'PUT', '/put', contentOf(9_000_000 + round, 4 * MiB));
    last = `${reply.status} ${reply.body}`;
    if (reply.status === 201) {
      const { address } = jsonOf(reply) as { address: string };
      must((await call(node, 'GET', `/o/${address}`)).status === 200, 'what was stored is read');
      return round;
    }
  }
  must(false, `writes do not work again: ${last}`);
}
