import { fileURLToPath } from 'node:url';
import { createRealEnv } from '@ron/kernel/real';
import { OapLink } from '@ron/service';
import { echoContract } from '../echo.ts';
import { freePort, output, start, until } from '../processes.ts';
import type { Row } from '../row.ts';

const deep = 64;
const payload = 'x'.repeat(128);

/** Our client is JavaScript on the other core and measures itself too: the server alone can do more. */
export const oapEchoRow: Row = {
  id: 'oap-echo',
  job: 'OAP echo, 128 B, 64 deep, TCP loopback, capability checked',
  anchor: 'redis SET 128 B, 64 connections, without TLS',
  bar: 0.6,
  needs: ['redis-server', 'redis-benchmark'],
  async run({ rounds, secondsPerRound, folder }) {
    const redisPort = await freePort();
    await using redis = start('redis-server', [
      '--port',
      String(redisPort),
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      folder,
    ]);
    await until(() => redis.stdout().includes('Ready to accept'), 'redis being ready');
    await using server = start(process.execPath, [fileURLToPath(new URL('../servers/oap-echo.ts', import.meta.url))]);
    await until(() => /port \d+/.test(server.stdout()), 'the echo server being ready');
    const [, port, token] = /port (\d+) (\S+)/.exec(server.stdout())!;
    const env = createRealEnv();
    const capability = new TextEncoder().encode(token);
    await using link = new OapLink({
      env,
      address: { kind: 'tcp', host: '127.0.0.1', port: Number(port) },
      capability: () => capability,
    });
    const peer = link.peer(echoContract);
    const ours: number[] = [];
    const anchor: number[] = [];
    let echoed = 0;
    for (let round = 0; round < rounds; round += 1) {
      const text = await output('redis-benchmark', [
        '-p',
        String(redisPort),
        '-c',
        String(deep),
        '-t',
        'set',
        '-d',
        '128',
        '-n',
        String(50_000 * secondsPerRound),
        '--csv',
      ]);
      anchor.push(Number(/"SET","([\d.]+)"/.exec(text)?.[1]));
      const end = performance.now() + secondsPerRound * 1_000;
      const began = performance.now();
      let count = 0;
      const worker = async () => {
        while (performance.now() < end) {
          if ((await peer.say({ text: payload })).text !== payload) throw new Error('another text came back');
          count += 1;
        }
      };
      await Promise.all(Array.from({ length: deep }, worker));
      ours.push(count / ((performance.now() - began) / 1_000));
      echoed += count;
    }
    return { unit: 'calls/s', ours, anchor, higherIsBetter: true, evidence: `${echoed} echoes compared` };
  },
};
