import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { passportLimits } from '@ron/proto/passport';
import { countSyncs } from '../mailbox/syncs.ts';
import { startNode } from '../node-process.ts';
import { cpuMsOf } from '../processes.ts';
import { percentile, type Row, spread } from '../row.ts';

interface Reply {
  readonly status: number;
  readonly text: string;
}

/** Kept-alive connections, one for each client: what is measured is the node, not the handshake. */
export class JsonClient implements Disposable {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.#url = url;
  }

  send(method: string, path: string, body: unknown, headers: Readonly<Record<string, string>>): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const bytes = body === undefined ? '' : JSON.stringify(body);
      const sent = request(this.#url + path, {
        method,
        agent: this.#agent,
        headers: { ...headers, 'content-type': 'application/json', 'content-length': bytes.length },
      });
      sent.on('error', reject);
      sent.on('response', (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (piece: string) => {
          text += piece;
        });
        incoming.on('error', reject);
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
      });
      sent.end(bytes);
    });
  }

  async json<T>(method: string, path: string, body: unknown, headers: Readonly<Record<string, string>>): Promise<T> {
    const { status, text } = await this.send(method, path, body, headers);
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
    return JSON.parse(text) as T;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

const shares = [0.5, 0.95, 0.99] as const;
const barMs = 40;
const warmMs = 500;

interface PassportCase {
  readonly id: string;
  readonly task: 'issue' | 'refresh';
  readonly clients: number;
}

const cases: readonly PassportCase[] = [
  { id: 'issue-1', task: 'issue', clients: 1 },
  { id: 'issue-16', task: 'issue', clients: 16 },
  { id: 'refresh-1', task: 'refresh', clients: 1 },
  { id: 'refresh-16', task: 'refresh', clients: 16 },
];

/** Milliseconds of the one call that is measured. */
type Step = () => Promise<number>;

/** What a family holds at most that may still be in use: past it, a client goes on with a family of its own anew. */
const refreshesMax = passportLimits.familyCapabilitiesMax - 1;

function stepsOf({ task, clients }: PassportCase, client: JsonClient, capability: string): readonly Step[] {
  const owner = { authorization: `Bearer ${capability}` };
  const rights = [{ methods: ['read'], prefix: 'n/docs/' }];
  let next = 0;
  const issue = () => {
    const subject = `user-${next++ % 1_000}`;
    return client.json<{ refresh_token: string }>('POST', '/passport/issue', { subject, rights }, owner);
  };
  const timed = async <T>(work: () => Promise<T>) => {
    const from = performance.now();
    const made = await work();
    return { made, ms: performance.now() - from };
  };
  return Array.from({ length: clients }, () => {
    if (task === 'issue') return async () => (await timed(issue)).ms;
    let held = '';
    let left = 0;
    return async () => {
      if (left === 0) ({ refresh_token: held } = await issue());
      left = left === 0 ? refreshesMax - 1 : left - 1;
      const body = { refresh_token: held };
      const refresh = () => client.json<{ refresh_token: string }>('POST', '/passport/refresh', body, {});
      const { made, ms } = await timed(refresh);
      held = made.refresh_token;
      return ms;
    };
  });
}

async function drive(steps: readonly Step[], ms: number, latencies: number[]): Promise<void> {
  const end = performance.now() + ms;
  const client = async (step: Step) => {
    while (performance.now() < end) latencies.push(await step());
  };
  await Promise.all(steps.map(client));
}

export const trustPassportRows: readonly Row[] = cases.map((one) => ({
  id: `trust-passport-${one.id}`,
  job: `passport ${one.task} over HTTP, durable, audit on, ${one.clients} client(s), p95`,
  anchor: '',
  bar: undefined,
  limit: barMs,
  needs: [],
  async run({ rounds, secondsPerRound, folder }) {
    await using node = await startNode({ persist: join(folder, 'node') });
    using client = new JsonClient(node.url);
    const steps = stepsOf(one, client, node.capability);
    await drive(steps, warmMs, []);
    const cpuMs = await cpuMsOf(node.pid);
    const ours: number[] = [];
    const all: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const latencies: number[] = [];
      await drive(steps, secondsPerRound * 1_000, latencies);
      ours.push(percentile(latencies, 0.95));
      all.push(...latencies);
    }
    const rate = all.length / (rounds * secondsPerRound);
    const cpu = ((await cpuMsOf(node.pid)) - cpuMs) / all.length;
    const counted: number[] = [];
    const { syncs } = await countSyncs(folder, [node.pid], () => drive(steps, warmMs, counted));
    if (syncs === 0) throw new Error('nothing was synced');
    const each = syncs === undefined ? 'not counted: no strace' : `${syncs} for ${counted.length} calls`;
    const evidence = `${all.length} calls, ${rate.toFixed(0)}/s; ${spread(all, 'ms', shares)}; ${cpu.toFixed(2)} ms of processor each; syncs, apart under strace: ${each}`;
    return { unit: 'ms', ours, anchor: [], higherIsBetter: false, evidence };
  },
}));
