import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startNodeProcess } from '../support/node-process.ts';
import { many, Target } from './attack.ts';
import { attackedPath, type Breakage, breakages, goodContent, goodPath } from './broken-server.ts';
import { GoodClient } from './good-client.ts';
import { type Finding, goodTargetOf, judge, slownessOf } from './judge.ts';

const server = fileURLToPath(new URL('./broken-server.ts', import.meta.url));

/** What the oracle says about a server with one fault, after it was attacked. */
async function findingsFor(breakage: Breakage): Promise<readonly Finding[]> {
  await using process = await startNodeProcess({ program: [server, breakage], observed: true });
  const logs = true;
  const subject = { process, path: goodPath, content: goodContent, headers: {}, countsPort: process.port, logs };
  await using good = new GoodClient(goodTargetOf(subject));
  const target = new Target(subject);
  const bounds = {
    // What a fault leaves behind stays: there is nothing to wait for.
    ...(breakage === 'nothing' ? {} : { recoveryMs: 300 }),
    asksMin: 50,
    turnMsMax: 300,
    residentBytesMax: Number.POSITIVE_INFINITY,
  };
  const { findings } = await judge(subject, good, target, bounds, () =>
    many(8, 2, async () => {
      target.refused(await target.ask({ target: attackedPath }), { status: 400, code: 'bad_request' });
    }),
  );
  return findings;
}

/** The rule of the oracle that each fault breaks. */
const broken: Readonly<Record<Exclude<Breakage, 'nothing'>, Finding['rule']>> = {
  crash: 'alive',
  'leak-memory': 'memory',
  'leak-descriptors': 'descriptors',
  'leak-timers': 'timers',
  'leak-inflight': 'timers',
  block: 'slow',
  'refuse-others': 'served',
  'wrong-bytes': 'served',
  uncounted: 'counted',
  unlogged: 'log',
  'logged-twice': 'log',
  'unstructured-log': 'log',
  'log-payload': 'log',
  'log-secret': 'log',
  'no-envelope': 'seen',
  'wrong-status': 'seen',
  'echo-payload': 'seen',
  'always-busy': 'seen',
};

describe('the oracle', () => {
  it('finds no fault with a server that has none', async () => {
    const findings = await findingsFor('nothing');
    // That other work of the machine made it slow is no fault of the server.
    expect(findings.filter(({ rule }) => rule !== 'slow')).toEqual([]);
  });

  it('has a canary for each of its rules', () => {
    expect(Object.keys(broken)).toEqual(breakages.slice(1));
    const rules: Finding['rule'][] = [
      'alive',
      'served',
      'slow',
      'memory',
      'descriptors',
      'timers',
      'counted',
      'log',
      'seen',
    ];
    expect([...new Set(Object.values(broken))].sort()).toEqual(rules.sort());
  });

  for (const [breakage, rule] of Object.entries(broken)) {
    it.concurrent(`catches a server with the fault "${breakage}"`, async () => {
      const rules = (await findingsFor(breakage as Breakage)).map((finding) => finding.rule);
      expect(rules).toContain(rule);
    });
  }
});

describe('the good client', () => {
  const service = (p99Ms: number, machineP99Ms: number, shed = 0) => ({
    asked: 100,
    p50Ms: 1,
    p99Ms,
    machineP99Ms,
    failures: [],
    shed,
  });
  const bounds = { slowdownMax: 4, shedShareMax: 0.2 };

  it('is slow from more than so many times its own p99 of before', () => {
    expect(slownessOf(service(2, 1), service(8, 1), bounds)).toEqual([]);
    expect(slownessOf(service(2, 1), service(8.1, 1), bounds)).toHaveLength(1);
  });

  it('is forgiven what the machine takes from everybody, and gains nothing from a faster one', () => {
    expect(slownessOf(service(2, 1), service(16, 2), bounds)).toEqual([]);
    expect(slownessOf(service(2, 1), service(16.1, 2), bounds)).toHaveLength(1);
    expect(slownessOf(service(2, 1), service(8, 0.1), bounds)).toEqual([]);
  });

  it('may be asked to come back for a fifth of its reads', () => {
    expect(slownessOf(service(2, 1), service(2, 1, 20), bounds)).toEqual([]);
    expect(slownessOf(service(2, 1), service(2, 1, 21), bounds)).toHaveLength(1);
  });
});
