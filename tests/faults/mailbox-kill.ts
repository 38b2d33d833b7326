import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startNodeProcess } from '../support/node-process.ts';
import { MailboxTraffic, trafficArgs } from './mailbox-traffic.ts';
import { countsOf, must, pause, randomFrom, type Scenario, temporaryFolder } from './scenario.ts';

/** Senders that try again with the same key, receivers that hold leases over restarts, SIGKILL at random moments. */
export const mailboxKill: Scenario = {
  name: 'mailbox-kill',
  summary: 'kill -9 under senders and receivers of mailboxes',
  async run({ quick, seed }) {
    const kills = quick ? 10 : 100;
    using folder = temporaryFolder('mailbox-kill');
    const random = randomFrom(seed);
    const traffic = new MailboxTraffic({ random, producers: 6, consumers: 6, visibilityMs: 1_500 });
    let slowestStartMs = 0;
    const start = async () => {
      const from = performance.now();
      const node = await startNodeProcess({ args: ['--persist', folder.path, ...trafficArgs] });
      slowestStartMs = Math.max(slowestStartMs, performance.now() - from);
      return node;
    };
    for (let kill = 1; kill <= kills; kill++) {
      await using node = await start();
      traffic.up(node);
      await traffic.run(100 + random() * 800);
      traffic.down();
      node.kill('SIGKILL');
      must((await node.exited).signal === 'SIGKILL', `the node was killed: ${node.stderr().slice(-600)}`);
      must(!node.stderr().includes('damaged'), `alarms without damage: ${node.stderr().slice(-600)}`);
      if (kill % 10 === 0) traffic.judge();
    }
    await using node = await start();
    traffic.up(node);
    await pause(200);
    await traffic.finish(node, 120_000);
    const [oldest = ''] = readdirSync(join(folder.path, 'mailboxes')).sort();
    const { good, refused } = traffic.overRestart;
    return countsOf({
      kills,
      ...traffic.counts,
      'leases of before a kill good': good,
      'refused with 409': refused,
      'log segments compacted': Number.parseInt(oldest, 16) - 1,
      'lost, twice or out of order': 0,
      'ms slowest start': Math.round(slowestStartMs),
    });
  },
};
