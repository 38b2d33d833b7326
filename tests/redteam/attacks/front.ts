import net from 'node:net';
import { type Attack, many, type Setting, Tally, type Target, withoutIds } from '../attack.ts';
import { startFront } from '../front-process.ts';
import { ask } from '../raw-http.ts';
import { metricsOf, within } from '../signs.ts';
import { issue } from '../trust-client.ts';

const front: Setting = { kind: 'omnigate' };
/** Everybody who is admitted shares one process; it opens at most 16 connections to a backend, and keeps them. */
const tolerance = { slowdownMax: 20, descriptorsMax: 16 };

/** A capability of another tenant, of the node behind the front. */
async function tenantOf(target: Target, tenant: string): Promise<{ readonly Authorization: string }> {
  const { capability } = await issue(target.subject.behind![0]!.process!, { subject: tenant, tenant });
  return { Authorization: `Bearer ${capability}` };
}

async function flooded(target: Target, headers: Readonly<Record<string, string>>, ms: number): Promise<Tally> {
  const tally = new Tally();
  const until = performance.now() + ms;
  await many(60, 60, async () => {
    while (performance.now() < until) {
      const reply = await ask(target.port, { target: target.subject.path, headers }).catch(() => undefined);
      tally.add(reply?.status ?? 'closed');
    }
  });
  return tally;
}

const noisy: Attack = {
  name: 'one tenant with 60 loops against one good client',
  area: 'front',
  expected: 'the other tenant is served all the same',
  quick: true,
  setting: front,
  tolerance,
  async run(target) {
    const tally = await flooded(target, await tenantOf(target, 'noisy'), 3_000);
    target.check(tally.of('closed') === 0, String(tally));
    target.saw(String(tally));
  },
};

const urgent: Attack = {
  name: 'a tenant that declares itself urgent in 8 headers',
  area: 'front',
  expected: 'served no better than one that does not',
  quick: true,
  setting: front,
  tolerance,
  async run(target) {
    const urgency = {
      Priority: 'u=0',
      Urgency: 'high',
      'X-Priority': '1',
      Importance: 'high',
      'X-Tenant': 'system',
      'X-Forwarded-For': '127.0.0.1',
      'X-Omnigate-Weight': '1000',
      'X-Queue-Time': '0',
    };
    const modest = await tenantOf(target, 'modest');
    const pushy = await tenantOf(target, 'pushy');
    const [without, withUrgency] = await Promise.all([
      flooded(target, modest, 3_000),
      flooded(target, { ...pushy, ...urgency }, 3_000),
    ]);
    target.check(without.of(200) > 0 && withUrgency.of(200) > 0, `nobody is served: ${without}; ${withUrgency}`);
    const share = withUrgency.of(200) / Math.max(1, without.of(200));
    target.check(share < 1.5, `${share.toFixed(2)} × what a modest tenant got`);
    target.saw(`modest ${without}; urgent ${withUrgency}; ${share.toFixed(2)} ×`);
  },
};

const retryStorm: Attack = {
  name: 'retry storm: 3,000 without a right, then all again at once',
  area: 'front',
  expected: '401 each time; the good client is served',
  quick: false,
  setting: front,
  tolerance,
  async run(target) {
    const tally = new Tally();
    await many(3_000, 60, async (index) => {
      for (let tries = 0; tries < 3; tries++) {
        const headers = { Authorization: `Bearer ron1_wrong${index % 50}` };
        const reply = await ask(target.port, { target: '/names', headers });
        tally.add(reply.status);
        target.check([401, 503, 429].includes(reply.status), String(reply.status));
      }
    });
    target.check(tally.of(401) > 0, `nobody looked at a token: ${tally}`);
    target.saw(String(tally));
  },
};

const forged: Attack = {
  name: 'forged tenants: 2,000 tokens that claim one',
  area: 'front',
  expected: 'nobody becomes a tenant by saying so; lanes bounded',
  quick: true,
  setting: front,
  tolerance,
  async run(target) {
    const before = (await metricsOf(target.port)).size;
    const tally = new Tally();
    await many(2_000, 24, async (index) => {
      const headers = { Authorization: `Bearer ron1_${index}`, 'X-Tenant': `t${index}`, 'RON-Tenant': `t${index}` };
      // Something that is there, so that only the token is in the way.
      tally.add((await ask(target.port, { target: target.subject.path, headers })).status);
    });
    target.check(tally.of(200) === 0, `${tally.of(200)} were served`);
    target.check(tally.of(401) > 0, `nobody looked at a token: ${tally}`);
    const samples = await metricsOf(target.port);
    target.check(samples.size - before < 40, `${samples.size - before} more series`);
    const lanes = samples.get('omnigate_queue_lanes') ?? 0;
    target.check(lanes < 200, `${lanes} lanes`);
    target.saw(`${tally}; ${lanes} lanes`);
  },
};

/** A backend that takes the connection and never says a word. */
async function silentBackend(): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined); // It is there to be given up.
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const silent: Attack = {
  name: 'a backend beside the good one that accepts and never answers',
  area: 'front',
  expected: 'never chosen, or given up within 2 s; all reads served',
  quick: true,
  setting: 'alone',
  async run(evidence) {
    await using dead = await silentBackend();
    await using pair = await startFront([`127.0.0.1:${dead.port}`]);
    const joined = async () => (await ask(pair.front.port, { target: '/readyz' })).status === 200;
    evidence.check(await within(30_000, joined), 'the front is not ready');
    const tally = new Tally();
    let slowestMs = 0;
    await many(300, 8, async () => {
      const begun = performance.now();
      const reply = await ask(pair.front.port, { target: pair.path, headers: pair.headers });
      slowestMs = Math.max(slowestMs, performance.now() - begun);
      tally.add(reply.status === 200 ? 200 : `${reply.status} ${withoutIds(reply.body.toString())}`);
    });
    evidence.check(tally.of(200) === 300, String(tally));
    evidence.check(slowestMs < 6_000, `the slowest took ${slowestMs.toFixed(0)} ms`);
    evidence.saw(`${tally}, the slowest ${slowestMs.toFixed(0)} ms`);
  },
};

const allGone: Attack = {
  name: 'all backends gone, then back',
  area: 'front',
  expected: '503 with a reason at once, /readyz red, /healthz green',
  quick: false,
  setting: 'alone',
  async run(evidence) {
    await using pair = await startFront([]);
    await pair.node.stop();
    const get = (target: string) => ask(pair.front.port, { target, headers: pair.headers });
    evidence.check(await within(30_000, async () => (await get('/readyz')).status === 503), '/readyz stays green');
    const begun = performance.now();
    const tally = new Tally();
    await many(200, 20, async () => {
      const reply = await ask(pair.front.port, { target: pair.path, headers: pair.headers });
      tally.add(reply.status);
      if (reply.status === 503) evidence.refused(reply, { status: 503, code: 'unavailable' });
    });
    evidence.check(tally.of(503) === 200, String(tally));
    evidence.check(performance.now() - begun < 10_000, 'refusals take their time');
    evidence.check((await get('/healthz')).status === 200, '/healthz is not green');
    evidence.check(pair.front.alive, 'the front ended');
    evidence.saw(String(tally));
  },
};

export const frontAttacks: readonly Attack[] = [noisy, urgent, retryStorm, forged, silent, allGone];
