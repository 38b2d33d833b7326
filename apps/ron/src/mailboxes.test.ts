import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startMicronode, type TestNode } from './testing/micronode.ts';
import { type Ran, type RunOptions, runHere, startRon, timeForProcesses } from './testing/run-ron.ts';

vi.setConfig(timeForProcesses);

let node: TestNode;

beforeAll(async () => {
  node = await startMicronode();
});
afterAll(() => node[Symbol.asyncDispose]());

function ron(line: string[], options: RunOptions = {}): Promise<Ran> {
  return runHere(['mailbox', ...line], { ...options, env: { ...node.env, ...options.env } });
}

/** The output of a command that must succeed. */
async function output(line: string[], options: RunOptions = {}): Promise<string> {
  const ran = await ron(line, options);
  expect(ran).toMatchObject({ code: 0 });
  return ran.stdout.trimEnd();
}

async function json(line: string[], options: RunOptions = {}) {
  const lines = await output([...line, '--json'], options);
  return lines === '' ? [] : lines.split('\n').map((row) => JSON.parse(row));
}

/** A started command with the lines that it prints. */
function started(line: string[]) {
  const child = startRon(['mailbox', ...line], { env: node.env });
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    child,
    ended: once(child, 'close'),
    said: text(child.stderr!),
    lines: createInterface({ input: child.stdout! }),
  };
}

describe('mailboxes of a real node', () => {
  it('a message is sent once with its key, taken, acknowledged and gone', async () => {
    const first = await ron(['send', 'inbox', 'hi', '--key', 'k1', '--header', 'from=ann']);
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-7][0-9A-Z]{25}\n$/) });
    expect(await json(['send', 'inbox', 'hi', '--key', 'k1', '--header', 'from=ann'])).toMatchObject([
      { id: first.stdout.trim(), duplicate: true },
    ]);
    const other = await ron(['send', 'inbox', 'other', '--key', 'k1']);
    expect(other).toMatchObject({ code: 8, stdout: '', stderr: expect.stringContaining('--key OTHER') });
    expect(other.stderr.trimEnd().split('\n')).toHaveLength(3);
    const [message] = await json(['recv', 'inbox', '--visibility', '1h']);
    expect(message).toMatchObject({ body: 'hi', attempt: 1, headers: { from: 'ann' }, lease_ms: expect.any(Number) });
    expect(await json(['stats', 'inbox'])).toMatchObject([{ box: 'inbox', in_flight: 1, ready: 0 }]);
    expect(await output(['extend', 'inbox', message.lease, '--visibility', '2h'])).toContain('extended');
    const mixed = await ron(['ack', 'inbox', message.lease, 'made-up', '--json']);
    expect(mixed.code).toBe(8);
    expect(
      mixed.stdout
        .trim()
        .split('\n')
        .map((row) => JSON.parse(row).ok),
    ).toEqual([true, false]);
    expect(await ron(['ack', 'inbox', message.lease])).toMatchObject({ code: 8, stdout: '' });
    expect(await ron(['recv', 'inbox'])).toMatchObject({ code: 0, stdout: '', stderr: 'no messages\n' });
  });

  it('takes stdin, files and addresses, and gives bytes back as they were', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ron-mailbox-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'body');
    await writeFile(path, Uint8Array.of(0, 200, 10));
    await output(['send', 'bodies', '-'], { input: '\ufeffgrün\n' });
    await output(['send', 'bodies', '--file', path]);
    const stored = await runHere(['put', path], { env: node.env });
    await output(['send', 'bodies', '--address', stored.stdout.trim()]);
    expect(await json(['recv', 'bodies', '--max', '3', '--ack'])).toMatchObject([
      { body: '\ufeffgrün\n' },
      { body_base64: 'AMgK' },
      { address: stored.stdout.trim() },
    ]);
    await writeFile(path, new Uint8Array(262_145).fill(97));
    const refused = await ron(['send', 'bodies', '--file', path]);
    expect(refused).toMatchObject({ code: 5, stderr: expect.stringContaining('--address b3:') });
    await writeFile(path, new Uint8Array(262_144).fill(97));
    await output(['send', 'bodies', '--file', path]);
  });

  it('gives back with a reason, and looks after the dead letters', async () => {
    await output(['send', 'jobs', 'poison']);
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const [message] = await json(['recv', 'jobs']);
      expect(message).toMatchObject({ attempt });
      await output(['nack', 'jobs', message.lease, '--delay', '0', '--reason', 'it does not parse']);
    }
    const [letter] = await json(['dlq', 'jobs']);
    expect(letter).toMatchObject({ body: 'poison', reason: 'attempts', attempt: 5 });
    expect(await output(['dlq', 'jobs'])).toMatch(/^id .*\n\S{26} +attempts +5 .*it does not parse +poison$/);
    expect(await json(['dlq', 'jobs', 'redrive'])).toEqual([{ box: 'jobs', redriven: 1, left: 0 }]);
    const [again] = await json(['recv', 'jobs']);
    expect(again).toMatchObject({ id: letter.id, attempt: 1 });
    expect(await output(['rm', 'jobs', letter.id])).toContain('is removed');
    expect(await ron(['rm', 'jobs', letter.id])).toMatchObject({ code: 3 });
    expect(await ron(['dlq', 'jobs'])).toMatchObject({ code: 0, stdout: '', stderr: 'none\n' });
  });

  it('purges only what it is told, and nothing in a dry run', async () => {
    for (const body of ['a', 'b', 'c']) {
      await output(['send', 'dead', body, '--ttl', '1ms', '--dead-letter-on-expiry']);
    }
    await expect.poll(async () => (await json(['dlq', 'dead'])).length, { timeout: 30_000 }).toBe(3);
    const [{ id }] = await json(['dlq', 'dead']);
    expect(await json(['dlq', 'dead', 'purge', id, '--dry-run'])).toMatchObject([{ dry_run: true, id }]);
    expect(await json(['dlq', 'dead', 'purge', id])).toEqual([{ box: 'dead', purged: 1, left: 2 }]);
    expect(await ron(['dlq', 'dead', 'purge', '--dry-run'])).toMatchObject({ stderr: '2 dead letters would go\n' });
    expect(await json(['dlq', 'dead', 'purge'])).toEqual([{ box: 'dead', purged: 2, left: 0 }]);
  });

  it('two terminals: sub waits for a box that is not there, prints, acknowledges, ends with 130 on Ctrl-C', async () => {
    const { child, ended, said, lines } = started(['sub', 'terminals']);
    const seen: string[] = [];
    lines.on('line', (line) => seen.push(line));
    await output(['send', 'terminals', 'one']);
    await output(['send', 'terminals', 'two']);
    await expect.poll(() => seen, { timeout: 30_000 }).toEqual(['one', 'two']);
    await expect
      .poll(async () => (await json(['stats', 'terminals']))[0], { timeout: 30_000 })
      .toMatchObject({ acked: 2 });
    child.kill('SIGINT');
    expect([await ended, await said]).toEqual([[130, null], 'interrupted\n']);
  });

  it('sub ends after --count and takes no message more; tail takes none', async () => {
    for (const body of ['a', 'b', 'c']) await output(['send', 'counted', body]);
    expect(await json(['sub', 'counted', '--count', '2'])).toMatchObject([{ body: 'a' }, { body: 'b' }]);
    expect(await json(['stats', 'counted'])).toMatchObject([{ ready: 1, in_flight: 0, acked: 2 }]);
    const kept = await ron(['sub', 'counted', '--count', '1', '--no-ack', '--verbose']);
    expect(kept).toMatchObject({ code: 0, stdout: 'c\n', stderr: expect.stringMatching(/attempt 1, lease /) });
    expect(await json(['stats', 'counted'])).toMatchObject([{ in_flight: 1 }]);
    const tail = started(['tail', 'watched', '--count', '1', '--json']);
    const line = once(tail.lines, 'line');
    // A view begins when it is opened: what is sent before is not in it.
    const sending = (async () => {
      while (tail.child.exitCode === null) await output(['send', 'watched', 'seen']);
    })();
    expect(JSON.parse((await line)[0])).toMatchObject({ body: 'seen', attempt: 0 });
    expect(await tail.ended).toEqual([0, null]);
    await sending;
    expect(await json(['stats', 'watched'])).toMatchObject([{ in_flight: 0, delivered: 0 }]);
  });

  it('acknowledges nothing that its reader did not take', async () => {
    await output(['send', 'piped', 'first']);
    const { child, ended, said, lines } = started(['sub', 'piped']);
    await once(lines, 'line');
    child.stdout!.destroy();
    await output(['send', 'piped', 'second']);
    expect([await ended, await said]).toEqual([[1, null], '']);
    expect(await json(['stats', 'piped'])).toMatchObject([{ acked: 1, in_flight: 1 }]);
  });

  it('a capability for one box stops at its edge', async () => {
    const weaker = async (...flags: string[]) => {
      const ran = await runHere(['cap', 'attenuate', ...flags], { env: node.env });
      return { env: { RON_CAP: ran.stdout.trim() } };
    };
    const sender = await weaker('--write', 'box/mine');
    await output(['send', 'mine', 'x'], sender);
    expect(await ron(['send', 'other', 'x'], sender)).toMatchObject({ code: 4 });
    expect(await ron(['recv', 'mine'], sender)).toMatchObject({ code: 4 });
    const reader = await weaker('--read', 'box/mine');
    expect(await output(['recv', 'mine', '--ack'], reader)).toBe('x');
    expect(await ron(['ls'], reader)).toMatchObject({ code: 4 });
    expect(await output(['ls'], await weaker('--list', 'box/'))).toMatch(/^box +ready [^\n]*\n(?:.*\n)*mine /);
  });

  it.each([
    [['send', 'inbox', 'a', '--file', 'b'], /say what to send/],
    [['send', 'inbox', 'a', '--header', 'A=b'], /is not a header/],
    [['send', 'inbox', 'a', '--header', 'a=b', '--header', 'a=c'], /given twice/],
    [['send', 'inbox', 'a', '--priority', '10'], /is not a priority/],
    [['send', 'a/b', 'c'], /is not a box/],
    [['recv', 'inbox', '--max', '101'], /is not a number of messages/],
    [['recv', 'inbox', '--wait', '31s'], /wait_ms/],
    [['sub', 'inbox', '--credit', '0'], /is not a credit/],
    [['extend', 'inbox', 'lease', '--visibility', '249ms'], /visibility_ms/],
    [['dlq', 'inbox', '--dry-run'], /goes with purge/],
    [['rm', 'inbox', 'no-id'], /id/],
  ])('refuses %j with three lines and exit code 2', async (line, what) => {
    const { code, stdout, stderr } = await ron(line);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(what);
    expect(stderr.trimEnd().split('\n')).toHaveLength(3);
  });

  it('says what is wrong with a box that is not there', async () => {
    const ran = await ron(['stats', 'nowhere']);
    expect(ran).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('try: ron mailbox ls') });
  });
});
