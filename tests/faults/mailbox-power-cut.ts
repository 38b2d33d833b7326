import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startNodeProcess } from '../support/node-process.ts';
import { MailboxTraffic, trafficArgs } from './mailbox-traffic.ts';
import { mount, stopped, system } from './programs.ts';
import { countsOf, must, randomFrom, type Scenario, temporaryFolder } from './scenario.ts';

const what = 'mailbox-power-cut';

/** As `power-cut` does: the image of a mounted file system, copied while the node stands still, is what a power cut leaves. */
export const mailboxPowerCut: Scenario = {
  name: what,
  summary: 'a copy of the block device under senders and receivers',
  async run({ quick, seed }) {
    const cuts = quick ? 3 : 20;
    using folder = temporaryFolder('mailbox-power');
    const image = join(folder.path, 'image');
    const [live, copied] = [join(folder.path, 'live'), join(folder.path, 'copied')];
    mkdirSync(live);
    mkdirSync(copied);
    const random = randomFrom(seed);
    const sums = { sent: 0, delivered: 0, acked: 0 };
    for (let cut = 0; cut < cuts; cut++) {
      system(what, 'truncate', '--size', '0', image);
      system(what, 'truncate', '--size', '512M', image);
      system(what, 'mkfs.ext4', '-q', '-F', image);
      const traffic = new MailboxTraffic({ random, producers: 6, consumers: 4, visibilityMs: 1_500 });
      {
        using _mounted = mount(what, live, '-o', 'loop', image);
        await using node = await startNodeProcess({ args: ['--persist', join(live, 'data'), ...trafficArgs] });
        traffic.up(node);
        await traffic.run(200 + random() * 1_200);
        await stopped(node);
        traffic.down();
        copyFileSync(image, `${image}.copy`);
        node.kill('SIGKILL');
        await node.exited;
      }
      using _copy = mount(what, copied, '-o', 'loop', `${image}.copy`);
      await using node = await startNodeProcess({ args: ['--persist', join(copied, 'data'), ...trafficArgs] });
      traffic.up(node);
      await traffic.run(200);
      await traffic.finish(node, 120_000);
      must(node.alive, 'the node lives');
      for (const name of ['sent', 'delivered', 'acked'] as const) sums[name] += traffic.counts[name];
    }
    return countsOf({ cuts, ...sums, 'lost, twice or out of order': 0 });
  },
};
