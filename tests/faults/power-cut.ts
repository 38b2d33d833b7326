import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startNodeProcess } from '../support/node-process.ts';
import { Ledger } from './ledger.ts';
import { mount, system } from './programs.ts';
import { countsOf, must, pause, randomFrom, type Scenario, temporaryFolder } from './scenario.ts';

/**
 * The image of a mounted file system holds what the kernel has sent to its device and nothing that waits in memory:
 * a copy of it, taken while the writer stands still, is the disk after a power cut at that moment.
 */
export const powerCut: Scenario = {
  name: 'power-cut',
  summary: 'a copy of the block device under concurrent writes',
  async run({ quick, seed }) {
    const cuts = quick ? 3 : 40;
    using folder = temporaryFolder('power');
    const image = join(folder.path, 'image');
    const [live, copied] = [join(folder.path, 'live'), join(folder.path, 'copied')];
    mkdirSync(live);
    mkdirSync(copied);
    const random = randomFrom(seed);
    let objects = 0;
    let names = 0;
    for (let cut = 0; cut < cuts; cut++) {
      system('power-cut', 'truncate', '--size', '0', image);
      system('power-cut', 'truncate', '--size', '1G', image);
      system('power-cut', 'mkfs.ext4', '-q', '-F', image);
      const ledger = new Ledger();
      {
        using _mounted = mount('power-cut', live, '-o', 'loop', image);
        await using node = await startNodeProcess({ args: ['--persist', join(live, 'data')] });
        let stopped = false;
        const writing = ledger.write(node, random, 6, () => stopped);
        await Promise.race([pause(200 + random() * 1_200), writing]);
        // What is acknowledged now counts; answers that are on their way are taken before the copy, which is later.
        node.kill('SIGSTOP');
        stopped = true;
        copyFileSync(image, `${image}.copy`);
        node.kill('SIGKILL');
        await writing;
      }
      using _copy = mount('power-cut', copied, '-o', 'loop', `${image}.copy`);
      await using node = await startNodeProcess({ args: ['--persist', join(copied, 'data')] });
      await ledger.check(node, true);
      must(node.alive, 'the node lives');
      objects += ledger.objects.size;
      names += ledger.nameVersions;
    }
    return countsOf({ cuts, 'objects acknowledged and byte-equal': objects, 'name versions': names, lost: 0 });
  },
};
