import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { PeersPage } from '../remote/network.ts';
import { startHttpNode } from '../testing/http-node.ts';
import { startMicronode, type TestNode } from '../testing/micronode.ts';
import { runHere, timeForProcesses } from '../testing/run-ron.ts';

vi.setConfig(timeForProcesses);

const [one, two, three] = ['1', '2', '3'].map((digit) => digit.repeat(64)) as [string, string, string];
const peer = { version: '0.1.0', incarnation: 1 };
const ban = { id: three, reason: 'operator', until: 0 } as const;
const pages: readonly PeersPage[] = [
  {
    self: 'f'.repeat(64),
    members: { alive: 1, suspect: 1, dead: 0, left: 0 },
    peers: [{ ...peer, id: one, state: 'alive', addresses: ['192.0.2.1:1'], region: 'eu-west', rtt_ms: 1.25 }],
    bans: [ban, { ...ban, id: two, reason: 'wrong_bytes' }],
    next: 'more',
  },
  {
    self: 'f'.repeat(64),
    members: { alive: 1, suspect: 1, dead: 0, left: 0 },
    peers: [{ ...peer, id: two, state: 'suspect', addresses: ['[2001:db8::1]:2'] }],
    bans: [],
  },
];

/** A node that answers these pages, to a list that goes on where it is told to. */
const startLister = () =>
  startHttpNode(onTestFinished, ({ method, target }) =>
    method === 'GET' ? pages[target.includes('cursor=more') ? 1 : 0]! : ban,
  );

describe('ron peers', () => {
  it('shows members on all pages, then who is banned and no member', async () => {
    const { url } = await startLister();
    const { code, stdout } = await runHere(['--url', url, 'peers']);
    expect(stdout.trimEnd().split('\n')).toEqual([
      'id            state    address          region      rtt  banned',
      '111111111111  alive    192.0.2.1:1      eu-west  1.3 ms',
      '222222222222  suspect  [2001:db8::1]:2                   wrong_bytes, until 1970-01-01T00:00:00Z',
      '333333333333  –                                          operator, until 1970-01-01T00:00:00Z',
    ]);
    expect(code).toBe(0);
    const lines = (await runHere(['--url', url, '--json', 'peers'])).stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      pages[0]!.peers[0],
      { ...pages[1]!.peers[0], ban: { ...ban, id: two, reason: 'wrong_bytes' } },
      { id: three, ban },
    ]);
  });

  it('takes the beginning of a known id, and any whole one', async () => {
    const { url, requests } = await startLister();
    const run = (...line: string[]) => runHere(['--url', url, 'peers', ...line]);
    expect((await run('ban', two.slice(0, 12), '--for', '2h')).code).toBe(0);
    expect(requests.at(-1)!.body).toEqual({ id: two, duration_ms: 7_200_000 });
    expect((await run('ban', '4'.repeat(64))).code).toBe(0);
    expect(requests.at(-1)!.body).toEqual({ id: '4'.repeat(64) });
    expect((await run('unban', three.slice(0, 20))).code).toBe(0);
    expect(requests.at(-1)).toMatchObject({ method: 'DELETE', target: `/overlay/bans/${three}` });
    const before = requests.length;
    for (const line of [['ban'], ['ls', one], ['ban', '123'], ['unban', one, '--for', '1h']]) {
      expect((await run(...line)).code).toBe(2);
    }
    expect(requests).toHaveLength(before);
    expect((await run('ban', '4'.repeat(12))).stderr).toMatch(/begins no id that this node knows/);
  });
});

describe('with a real node', () => {
  const nodes: TestNode[] = [];
  beforeAll(async () => {
    nodes.push(...(await Promise.all([startMicronode(), startMicronode(['--network', '127.0.0.1:0'])])));
  });
  afterAll(() => Promise.all(nodes.map((node) => node[Symbol.asyncDispose]())));

  it('says in three lines that a node is alone', async () => {
    const { code, stderr } = await runHere(['peers'], { env: nodes[0]!.env });
    expect(stderr.trimEnd().split('\n')).toEqual([
      'ron: the node is alone: it joins no others',
      '  why: its network.listen is empty',
      expect.stringMatching(/^ {2}try: npm start -- --network /),
    ]);
    expect(code).toBe(3);
    for (const line of [
      ['peers', 'unban', one],
      ['ping', one],
      ['trace', `b3:${one}`],
    ]) {
      expect((await runHere(line, { env: nodes[0]!.env })).stderr).toMatch(/the node is alone/);
    }
    const { stdout } = await runHere(['trace', 'no/such/name'], { env: nodes[0]!.env });
    expect(stdout).toMatch(/not here, and there is no trusted node to ask/);
  });

  it('bans and forgets', async () => {
    const run = (...line: string[]) => runHere(['peers', ...line], { env: nodes[1]!.env });
    expect(await run()).toEqual({ code: 0, stdout: '', stderr: 'none\n' });
    expect((await run('ban', one)).stdout).toMatch(`${one} is banned until 2`);
    expect((await run()).stdout).toMatch(/111111111111 {2}–.*operator, until 2/);
    expect((await run('unban', one.slice(0, 12))).stdout).toBe(`${one} is not banned any more\n`);
    expect((await run('unban', one)).stderr).toMatch(/not banned[\s\S]*try: ron peers$/m);
    expect((await run()).stdout).toBe('');
  });
});
