import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { NameTrace, PeersPage, ProbeAnswer, SearchTrace } from '../remote/network.ts';
import { startHttpNode } from '../testing/http-node.ts';
import { runHere, timeForProcesses } from '../testing/run-ron.ts';

vi.setConfig(timeForProcesses);

const idOf = (digit: string) => digit.repeat(64);
const node = (digit: string) => ({ id: idOf(digit), address: `192.0.2.${digit}:1` });
const address = `b3:${idOf('a')}`;

const probe: ProbeAnswer = {
  ...node('1'),
  state: 'alive',
  version: '0.1.0',
  region: 'eu',
  rtts_ms: [4, null, 1, 2],
};
const search: SearchTrace = {
  self: idOf('f'),
  key: idOf('b'),
  network_size: 7,
  region_bits: 0,
  took_ms: 31,
  steps: [
    {
      node: node('1'),
      hop: 1,
      distance_bits: 255,
      at_ms: 0,
      took_ms: 10,
      outcome: 'answered',
      records: 2,
      contacts: 5,
    },
    {
      node: node('2'),
      hop: 2,
      via: idOf('1'),
      distance_bits: 251,
      at_ms: 10,
      took_ms: 21,
      outcome: 'silent',
      code: 'unavailable',
    },
  ],
  providers: [
    { provider: node('3'), from: idOf('1'), at_ms: 10, issued_at: 0, expires_at: 0, challenge: 'passed' },
    { provider: node('4'), from: idOf('1'), at_ms: 12, issued_at: 0, expires_at: 0, challenge: 'failed' },
  ],
};
const missing: NameTrace = { asked: [{ node: node('1'), took_ms: 3, outcome: 'failed', code: 'deadline_exceeded' }] };
const named = {
  ...missing,
  record: { name: 'films/sea', address, version: 3 },
  rest: '',
  asked: [...missing.asked, { node: node('2'), took_ms: 4, outcome: 'found', name: 'films/sea', address, version: 3 }],
  believed: idOf('2'),
};
const page: PeersPage = {
  self: idOf('f'),
  members: { alive: 1, suspect: 0, dead: 0, left: 0 },
  peers: [{ ...node('1'), addresses: [node('1').address], state: 'alive', version: '0.1.0', incarnation: 1 }],
  bans: [],
};

/** A node that answers these, and notes what it was asked. */
const start = (name: object = named, rtts: ProbeAnswer['rtts_ms'] = probe.rtts_ms, found: SearchTrace = search) =>
  startHttpNode(onTestFinished, ({ target }) => {
    if (target.includes('/probe')) return { ...probe, rtts_ms: rtts };
    if (target.startsWith('/overlay/peers')) return page;
    return target.startsWith('/admin/names') ? name : found;
  });

describe('ron ping', () => {
  it('takes the beginning of an id, and says the least, the middle, the most, and what was lost', async () => {
    const { url, requests } = await start();
    const { code, stdout } = await runHere(['--url', url, 'ping', idOf('1').slice(0, 12), '-c', '4']);
    expect(requests.at(-1)!.target).toBe(`/overlay/peers/${idOf('1')}/probe?count=4`);
    expect(stdout).toMatch(/answered {2}3 of 4, 25 % lost\nmin {7}1\.00 ms\nmedian {4}2\.00 ms\nmax {7}4\.00 ms\n/);
    expect(stdout).toMatch(/region {4}eu\nversion {3}0\.1\.0\n/);
    expect(code).toBe(0);
    const json = JSON.parse((await runHere(['--url', url, '--json', 'ping', idOf('1')])).stdout);
    expect(json).toMatchObject({ sent: 4, lost: 1, min_ms: 1, median_ms: 2, max_ms: 4, version: '0.1.0' });
  });

  it('ends with 6 when nothing was answered, and refuses a count past the bound', async () => {
    const { url, requests } = await start(named, [null, null]);
    const { code, stdout } = await runHere(['--url', url, 'ping', idOf('1')]);
    expect([code, /0 of 2, 100 % lost\nmin {7}–/.test(stdout)]).toEqual([6, true]);
    const before = requests.length;
    for (const count of ['0', '21', 'x'])
      expect((await runHere(['--url', url, 'ping', idOf('1'), '-c', count])).code).toBe(2);
    expect(requests).toHaveLength(before);
  });
});

describe('ron trace', () => {
  it('shows each request for an object, and who has it by whose word', async () => {
    const { url, requests } = await start();
    const { code, stdout } = await runHere(['--url', url, 'trace', address]);
    expect(requests.map(({ target }) => target)).toEqual([`/admin/dht/trace?address=${encodeURIComponent(address)}`]);
    expect(stdout).toMatch(/asked {6}2 nodes: 1 answered, 1 silent, 0 refused/);
    expect(stdout).toMatch(
      / 1 {2}111111111111 {2}192\.0\.2\.1:1 {2}own table +255 bits +0 ms +10 ms .*2 records, 5 nodes/,
    );
    expect(stdout).toMatch(/ 2 {2}222222222222 {2}192\.0\.2\.2:1 {2}111111111111 {2}251 bits .*silent: unavailable/);
    expect(stdout).toMatch(/providers {2}1 in 31 ms/);
    expect(stdout).toMatch(/333333333333 .*passed/);
    expect(stdout).toMatch(/444444444444 .*failed/);
    expect(code).toBe(0);
  });

  it('shows which trusted node a name came from, then the search for its object', async () => {
    const { url } = await start();
    const { code, stdout } = await runHere(['--url', url, 'trace', 'films/sea']);
    expect(stdout).toMatch(/found {4}on 2222/);
    expect(stdout).toMatch(/111111111111 .*failed {3}deadline_exceeded/);
    expect(stdout).toMatch(/222222222222 .*found .* 3 .*believed/);
    expect(stdout).toMatch(/2 nodes: 1 answered/);
    expect(code).toBe(0);
    const json = JSON.parse((await runHere(['--url', url, '--json', 'trace', 'films/sea'])).stdout);
    expect(json).toMatchObject({ name: { believed: idOf('2') }, object: { address, steps: [{ hop: 1 }, { hop: 2 }] } });
  });

  it('ends with 3 when the name is nowhere, or all who claim the object failed the challenge', async () => {
    const lost = await start(missing);
    const { code, stdout } = await runHere(['--url', lost.url, 'trace', 'films/sea']);
    expect([code, /found +nowhere/.test(stdout)]).toEqual([3, true]);
    expect(lost.requests.every(({ target }) => target.startsWith('/admin/names'))).toBe(true);
    const liars = { ...search, providers: [search.providers[1]!] };
    const { url } = await start(named, [], liars);
    expect((await runHere(['--url', url, 'trace', address])).code).toBe(3);
  });
});
