import { startNodeProcess } from '../support/node-process.ts';
import { Ledger } from './ledger.ts';
import { countsOf, must, pause, randomFrom, type Scenario, temporaryFolder } from './scenario.ts';

/** Concurrent writes, SIGKILL at a random moment, start, compare: nothing acknowledged may be missing. */
export const killLoop: Scenario = {
  name: 'kill',
  summary: 'kill -9 under concurrent writes',
  async run({ quick, seed }) {
    const kills = quick ? 5 : 100;
    using folder = temporaryFolder('kill');
    const random = randomFrom(seed);
    const ledger = new Ledger();
    let slowestStartMs = 0;
    const start = async () => {
      const from = performance.now();
      const node = await startNodeProcess({ args: ['--persist', folder.path] });
      slowestStartMs = Math.max(slowestStartMs, performance.now() - from);
      return node;
    };
    for (let kill = 0; kill < kills; kill++) {
      await using node = await start();
      await ledger.check(node, false);
      let killed = false;
      const writing = ledger.write(node, random, 6, () => killed);
      await Promise.race([pause(30 + random() * 500), writing]);
      killed = true;
      node.kill('SIGKILL');
      await writing;
      must((await node.exited).signal === 'SIGKILL', 'the node was killed');
    }
    await using node = await start();
    await ledger.check(node, true);
    return countsOf({
      kills,
      'objects acknowledged and byte-equal': ledger.objects.size,
      'name versions': ledger.nameVersions,
      lost: 0,
      'ms slowest start': Math.round(slowestStartMs),
    });
  },
};
