import net from 'node:net';
import { openDescriptors, startNodeProcess } from '../support/node-process.ts';
import { call, put } from './client.ts';
import { contentOf } from './contents.ts';
import { countsOf, must, pause, type Scenario, temporaryFolder } from './scenario.ts';

const limit = 64;

/** More clients and files than the process may have open: it refuses, lives, and serves again afterwards. */
export const descriptors: Scenario = {
  name: 'descriptors',
  summary: `a limit of ${limit} open descriptors`,
  async run() {
    using folder = temporaryFolder('descriptors');
    const wrapper = ['sh', '-c', `ulimit -n ${limit}; exec "$@"`, 'sh'];
    await using node = await startNodeProcess({ wrapper, args: ['--persist', folder.path] });
    const addresses: string[] = [];
    for (let seed = 0; seed < 80; seed++) addresses.push(await put(node, contentOf(seed, 150_000)));
    const idle = Array.from({ length: 100 }, () =>
      net.connect({ host: '127.0.0.1', port: node.port }).on('error', () => undefined),
    );
    await pause(300);
    const outcomes = { served: 0, refused: 0, 'not answered': 0 };
    await Promise.all(
      addresses.slice(0, 40).map(async (address) => {
        const reply = await call(node, 'GET', `/o/${address}`, undefined, 2_000).catch(() => undefined);
        if (reply === undefined) outcomes['not answered']++;
        else if (reply.status === 200) outcomes.served++;
        else outcomes.refused++;
      }),
    );
    const exhausted = openDescriptors(node.pid) ?? 0;
    for (const socket of idle) socket.destroy();
    must(node.alive, `the node died: ${node.stderr().slice(-600)}`);
    await pause(300);
    for (const [seed, address] of addresses.entries()) {
      const { status, body } = await call(node, 'GET', `/o/${address}`);
      must(status === 200 && body.equals(contentOf(seed, 150_000)), `afterwards: ${status} ${body.subarray(0, 200)}`);
    }
    must((await put(node, contentOf(500, 200_000))) !== '', 'writes work again');
    return countsOf({
      'descriptors at the peak': exhausted,
      ...outcomes,
      'objects byte-equal afterwards': addresses.length,
    });
  },
};
