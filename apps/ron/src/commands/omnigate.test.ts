import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { runHere, startRon, timeForProcesses } from '../testing/run-ron.ts';

vi.setConfig(timeForProcesses);

const main = join(import.meta.dirname, '..', '..', '..', '..', 'profiles', 'micronode', 'src', 'main.ts');
const folder = mkdtempSync(join(tmpdir(), 'ron-omnigate-'));
const children: ChildProcess[] = [];
afterAll(async () => {
  await Promise.all(children.map(stop));
  rmSync(folder, { recursive: true, force: true });
});

function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  child.kill('SIGKILL');
  return ended;
}

interface Node {
  readonly child: ChildProcess;
  readonly url: string;
  readonly capability: string;
  readonly oap: string;
}

async function node(name: string): Promise<Node> {
  const line = [main, '--listen', '127.0.0.1:0', '--oap', '127.0.0.1:0', '--persist', join(folder, name)];
  const child = spawn(process.execPath, line, { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  let oap = '';
  let exported: RegExpExecArray | null = null;
  for await (const text of createInterface({ input: child.stdout! })) {
    oap = /^OAP\/1 at (\S+)$/.exec(text)?.[1] ?? oap;
    exported ??= /^export RON_NODE_URL=(\S+) RON_CAP=(\S+)$/.exec(text);
    if (exported !== null && text.startsWith('Then: '))
      return { child, url: exported[1]!, capability: exported[2]!, oap };
  }
  throw new Error('the node ended before it was ready');
}

describe('ron omnigate, as a process in front of two nodes', () => {
  it('passes calls on, keeps answering when one node is killed, and stops when asked', async () => {
    // Two nodes that check the same capabilities: the second gets a copy of the first's keys.
    await stop((await node('a')).child);
    mkdirSync(join(folder, 'b'), { mode: 0o700 });
    cpSync(join(folder, 'a', 'keys'), join(folder, 'b', 'keys'), { recursive: true });
    const [a, b] = await Promise.all([node('a'), node('b')]);
    const authorization = `Bearer ${a.capability}`;
    // Each has storage of its own, so the object goes to both.
    const put = (url: string) => fetch(`${url}/put`, { method: 'PUT', body: 'the object', headers: { authorization } });
    const { address } = (await (await put(a.url)).json()) as { address: string };
    await put(b.url);

    const front = startRon(['omnigate', '--listen', '127.0.0.1:0', '--backend', `a=${a.oap}`, `b=${b.oap}`]);
    children.push(front);
    const ended = new Promise<number | null>((resolve) => front.on('exit', resolve));
    const { value } = await createInterface({ input: front.stdout! })[Symbol.asyncIterator]().next();
    const url = String(value);
    while ((await fetch(`${url}/readyz`)).status !== 200);
    const statuses = new Set<number>();
    for (let calls = 0; calls < 60; calls += 1) {
      if (calls === 20) a.child.kill('SIGKILL');
      const response = await fetch(`${url}/o/${address}`, { headers: { authorization } });
      statuses.add(response.status);
      expect(await response.text()).toBe('the object');
    }
    expect([...statuses]).toEqual([200]);
    // How soon the system ends a process that was killed is its own affair.
    const metrics = async () => (await fetch(`${url}/metrics`)).text();
    while (!(await metrics()).includes('omnigate_backend_phase{backend="a",phase="ejected"} 1'));
    front.kill('SIGTERM');
    expect(await ended).toBe(130);
  });

  it.each([
    [[], /--backend, at least one/, 2],
    [['--backend', 'nowhere'], /front\.backends/, 9],
    [['--backend', '127.0.0.1:1', '--tls-cert', 'a.pem'], /needs its key/, 9],
    [['--backend', '127.0.0.1:1', '--set', 'x'], /TABLE\.FIELD=VALUE/, 2],
    [['--backend', '127.0.0.1:1', '--listen', '192.0.2.1:1'], /cannot start/, 9],
  ])('%j is refused', async (line, message, exitCode) => {
    const { code, stderr } = await runHere(['omnigate', ...line]);
    expect(stderr).toMatch(message);
    expect(code).toBe(exitCode);
  });
});
