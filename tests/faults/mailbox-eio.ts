import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { call, put } from './client.ts';
import { ask, readiness, statsOf } from './mailbox-client.ts';
import { MailboxTraffic, trafficArgs } from './mailbox-traffic.ts';
import { system } from './programs.ts';
import { countsOf, must, pause, randomFrom, type Scenario, temporaryFolder } from './scenario.ts';

const what = 'mailbox-eio';

/** Input/output errors of the kernel's own making, on the log of the mailboxes alone. */
export const mailboxEio: Scenario = {
  name: what,
  summary: 'EIO on writes and syncs of the log, by strace',
  async run({ quick, seed }) {
    system(what, 'strace', '-V');
    const random = randomFrom(seed);
    const sums = { errors: 0, sent: 0, delivered: 0, acked: 0, unable: 0 };
    const rounds = quick ? 1 : 6;
    for (let round = 0; round < rounds; round++) {
      for (const systemCall of ['fdatasync', 'pwritev']) {
        const when = 1 + Math.trunc(random() * 40);
        const counts = await fail(`${systemCall}:error=EIO:when=${when}`, random);
        sums.errors++;
        for (const name of ['sent', 'delivered', 'acked', 'unable'] as const) sums[name] += counts[name];
      }
    }
    return countsOf({ ...sums, 'acknowledged after the error': 0, lost: 0 });
  },
};

async function fail(fault: string, random: () => number): Promise<MailboxTraffic['counts']> {
  using folder = temporaryFolder('mailbox-eio');
  const traffic = new MailboxTraffic({ random, producers: 4, consumers: 4, visibilityMs: 1_500, unable: 503 });
  const args = ['--persist', folder.path, ...trafficArgs];
  {
    // strace counts calls by thread: one thread makes the count that of the process.
    await using node = await startNodeProcess({ args, wrapper: ['env', 'UV_THREADPOOL_SIZE=1'] });
    traffic.up(node);
    await traffic.run(300);
    await using _fault = await inject(node, join(folder.path, 'mailboxes'), fault);
    for (let tries = 0; (await readiness(node)).ready; tries++) {
      must(tries < 200, `no error came of ${fault}`);
      await traffic.run(50);
    }
    await mustBeReadOnly(node, fault);
    await traffic.run(300);
    traffic.down();
    node.kill('SIGKILL');
    await node.exited;
  }
  await using node = await startNodeProcess({ args });
  must((await readiness(node)).ready, `${fault}: ready after a restart`);
  traffic.up(node);
  await traffic.run(300);
  await traffic.finish(node, 60_000);
  return traffic.counts;
}

async function mustBeReadOnly(node: NodeProcess, fault: string): Promise<void> {
  const { red } = await readiness(node);
  must(
    red.some((line) => line.includes('mailbox-writable')),
    `${fault}: which gate is red: ${red}`,
  );
  must((await call(node, 'GET', '/readyz')).status === 503, `${fault}: /readyz says 503`);
  for (let again = 0; again < 3; again++) {
    const sent = await ask(node, 'faults-0', 'send', { body: 'after the error' });
    must(sent.status === 503, `${fault}: a send after the error: ${sent.status} ${sent.body}`);
    const acked = await ask(node, 'faults-0', 'ack', { leases: ['01M7Z9S7ZP7XFSE544G3SGEBJE.1.1'] });
    must(acked.status === 503, `${fault}: an ack after the error: ${acked.status} ${acked.body}`);
  }
  must((await statsOf(node, 'faults-0')) !== undefined, 'stats are read');
  must((await call(node, 'GET', '/mailbox/faults-0/dlq')).status === 200, 'dead letters are read');
  must((await put(node, Buffer.from('other'))).startsWith('b3:'), 'objects are not concerned');
}

/** Attaches to a running process; from then on the calls on the log count. */
async function inject(node: NodeProcess, folder: string, fault: string): Promise<AsyncDisposable> {
  const logs = readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .flatMap((name) => ['-P', join(folder, name)]);
  const filter = ['-e', `trace=${fault.split(':')[0]}`, '-e', `inject=${fault}`];
  const strace = spawn('strace', ['-f', '-p', `${node.pid}`, ...logs, ...filter], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(strace, 'close');
  const attached = new Promise<void>((resolve, reject) => {
    let said = '';
    strace.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('attached')) resolve();
    });
    strace.once('close', () => reject(new Error(`strace ended: ${said}`)));
  });
  await Promise.race([attached, pause(10_000).then(() => Promise.reject(new Error('strace does not attach')))]);
  return {
    async [Symbol.asyncDispose]() {
      strace.kill('SIGTERM');
      await ended;
    },
  };
}
