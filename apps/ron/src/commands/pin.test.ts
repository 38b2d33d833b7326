import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startHttpNode } from '../testing/http-node.ts';
import { startMicronode } from '../testing/micronode.ts';
import { runHere, timeForProcesses } from '../testing/run-ron.ts';

vi.setConfig(timeForProcesses);

const address = `b3:${'0'.repeat(64)}`;
const [one, two] = ['1', '2'].map((digit) => digit.repeat(64)) as [string, string];
const pinned = {
  address,
  size: 2_048,
  copies: 3,
  holders: [
    { node: one, state: 'alive', region: 'eu' },
    { node: two, state: 'dead' },
  ],
};

/** A node that has one pinned object, of whose copies one is lost. */
const startPinned = (restored = 0) =>
  startHttpNode(onTestFinished, ({ method, target }) => {
    if (method === 'GET') return { pins: [pinned] };
    if (method === 'DELETE') return { address, unpinned: true };
    if (!target.endsWith('/repair')) return pinned;
    const sample = restored === 0 ? [pinned] : [];
    return { dry_run: false, objects: 1, lacking: 1, restored, copied_bytes: restored * 2_048, sample };
  });

describe('ron pin', () => {
  it('asks for three copies unless told, names the nodes, and lists what is kept where', async () => {
    const { url, requests } = await startPinned();
    const run = (...line: string[]) => runHere(['--url', url, ...line]);
    expect((await run('pin', address)).stdout).toBe(`${address} is on 1 node: 111111111111 222222222222 (dead)\n`);
    expect(requests.at(-1)).toMatchObject({ method: 'POST', target: '/pins', body: { address, copies: 3 } });
    await run('pin', address, '--copies', '16');
    expect(requests.at(-1)!.body).toEqual({ address, copies: 16 });
    expect((await run('pin', 'ls')).stdout.trimEnd().split('\n')[1]).toMatch(
      /^b3:0{64} +2\.0 KiB +1 of 3 +111111111111 222222222222 \(dead\)$/,
    );
    expect(JSON.parse((await run('--json', 'pin', 'ls')).stdout)).toEqual(pinned);
    expect((await run('unpin', address)).stdout).toBe(`${address} is not pinned any more\n`);
    expect(requests.at(-1)).toMatchObject({ method: 'DELETE', target: `/pins/${address}` });
  });

  it('takes 1 to 16 copies of an address or a name', async () => {
    const { url, requests } = await startPinned();
    for (const line of [
      ['pin', address, '--copies', '17'],
      ['pin', address, '--copies', '0'],
      ['pin', 'b3:12'],
    ]) {
      expect((await runHere(['--url', url, ...line])).code).toBe(2);
    }
    expect((await runHere(['--url', url, 'put', '--copies', '17', import.meta.filename])).code).toBe(2);
    expect(requests).toEqual([]);
  });

  it('says in three lines that a node is alone', async () => {
    await using node = await startMicronode();
    for (const line of [
      ['pin', address],
      ['pin', 'ls'],
      ['unpin', address],
      ['repair'],
      ['put', '--copies', '2', import.meta.filename],
    ]) {
      const { code, stderr } = await runHere(line, { env: node.env });
      expect([line, code]).toEqual([line, 3]);
      expect(stderr).toMatch(
        /ron: the node is alone: it joins no others\n {2}why: its network\.listen is empty\n {2}try: /,
      );
    }
  });
});

describe('ron repair', () => {
  it('ends with 6 while copies are missing that could not be made', async () => {
    const { url, requests } = await startPinned();
    const failed = await runHere(['--url', url, 'repair']);
    expect(failed.code).toBe(6);
    expect(failed.stdout).toBe('1 object in copies, 1 lacking some; 0 of them have all again, 0 B copied\n');
    expect(failed.stderr).toContain(`${address} is on 1 of 3 nodes`);
    expect((await runHere(['--url', url, 'repair', '--dry-run'])).code).toBe(0);
    expect(requests.at(-1)).toMatchObject({ method: 'POST', target: '/pins/repair', body: { dry_run: true } });
    const whole = await runHere(['--url', (await startPinned(1)).url, 'repair']);
    expect([whole.code, whole.stdout]).toEqual([
      0,
      '1 object in copies, 1 lacking some; 1 of them have all again, 2.0 KiB copied\n',
    ]);
  });
});
