import { startNodeProcess } from '../support/node-process.ts';
import { receive, send, settle, Unexpected, type WireMessage } from './mailbox-client.ts';
import { MailboxTraffic, trafficArgs } from './mailbox-traffic.ts';
import { stopped } from './programs.ts';
import { countsOf, must, pause, randomFrom, type Scenario, temporaryFolder } from './scenario.ts';

const visibilityMs = 1_000;
const messages = 120;

/** A node that stands still for longer than its leases last, while their holders go on. */
export const mailboxPause: Scenario = {
  name: 'mailbox-pause',
  summary: 'SIGSTOP for longer than a lease lasts',
  async run({ quick, seed }) {
    const pauseMs = quick ? 3_000 : 30_000;
    using folder = temporaryFolder('mailbox-pause');
    const random = randomFrom(seed);
    await using node = await startNodeProcess({ args: ['--persist', folder.path, ...trafficArgs] });
    const traffic = new MailboxTraffic({ random, producers: 3, consumers: 6, visibilityMs, unable: 408 });
    traffic.up(node);
    await traffic.run(1_000);
    const box = 'paused';
    for (let number = 0; number < messages; number++) await send(node, box, { body: `${number}` });
    const first = await receive(node, box, { max: 100, visibility_ms: visibilityMs });
    must(first.length === 100, `${first.length} of 100 were leased`);
    await stopped(node);
    const waiting = untilHeard(() => receive(node, box, { max: 100, visibility_ms: 60_000, wait_ms: 30_000 }));
    // Half of the stale holders have asked when it wakes up, the others come at the same time as those who ask for more.
    const early = acksOf(node, box, first.slice(0, 50));
    await pause(pauseMs);
    node.kill('SIGCONT');
    const late = acksOf(node, box, first.slice(50));
    const second = new Map<string, WireMessage>();
    for (const message of await waiting) second.set(message.id, message);
    for (let empty = 0; empty < 3; ) {
      const more = await receive(node, box, { max: 100, visibility_ms: 60_000, wait_ms: 1_000 });
      empty = more.length === 0 ? empty + 1 : 0;
      for (const message of more) {
        must(!second.has(message.id), `${message.id} was leased twice`);
        second.set(message.id, message);
      }
    }
    const stale = [...(await early), ...(await late)];
    const counts = { 'stale acks good': 0, 'stale acks refused': 0, 'leased again': 0 };
    for (const [index, message] of first.entries()) {
      const again = second.get(message.id);
      must(stale[index] !== (again !== undefined), `${message.id}: stale ack ${stale[index]}, leased ${again?.fence}`);
      must(again === undefined || again.fence > message.fence, `${message.id}: fence ${again?.fence}`);
      counts[stale[index] ? 'stale acks good' : 'stale acks refused']++;
      if (again !== undefined) counts['leased again']++;
    }
    must(second.size + counts['stale acks good'] === messages, `${second.size} of ${messages} were leased in the end`);
    for (const good of await acksOf(node, box, [...second.values()])) must(good, 'the new holder settles');
    await traffic.run(1_000);
    await traffic.finish(node, 60_000);
    return countsOf({ 'ms standing still': pauseMs, ...counts, ...traffic.counts, 'two live leases': 0 });
  },
};

/** A node that stood still for longer than a request may take to come says 408 for it: nothing was done. */
async function untilHeard<T>(question: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof Unexpected && error.status === 408)) throw error;
    }
  }
}

function acksOf(node: Parameters<typeof settle>[0], box: string, held: readonly WireMessage[]): Promise<boolean[]> {
  return Promise.all(
    Array.from({ length: Math.ceil(held.length / 5) }, (_, index) => {
      const leases = held.slice(index * 5, index * 5 + 5).map(({ lease }) => lease);
      return untilHeard(() => settle(node, box, 'ack', leases));
    }),
  ).then((results) => results.flat());
}
