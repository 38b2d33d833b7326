import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { createRealNet } from './net.ts';

let root: string;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'ron-net-'));
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

const unix = (name: string) => ({ kind: 'unix', path: path.join(root, name) }) as const;
const nothing = () => undefined;

test('a socket is 0600 in a folder that is 0700, and its file goes with the listener', async () => {
  const address = unix('run/node.sock');
  const listener = await createRealNet().listen(address, nothing);
  expect(fs.statSync(path.dirname(address.path)).mode & 0o777).toBe(0o700);
  expect(fs.statSync(address.path).mode & 0o777).toBe(0o600);
  await listener.close(0);
  expect(fs.existsSync(address.path)).toBe(false);
});

test('a folder that others may enter is refused', async () => {
  fs.mkdirSync(path.join(root, 'open'));
  fs.chmodSync(path.join(root, 'open'), 0o755);
  await expect(createRealNet().listen(unix('open/s'), nothing)).rejects.toMatchObject({ code: 'EACCES' });
});

test('a socket file that nobody answers behind is replaced; another kind of file is not', async () => {
  const address = unix('s');
  // A listener that dies leaves its file behind: here it is moved away before the close and put back.
  const dead = net.createServer();
  await new Promise<void>((resolve) => dead.listen(path.join(root, 'dying'), resolve));
  fs.linkSync(path.join(root, 'dying'), address.path);
  await new Promise((resolve) => dead.close(resolve));
  expect(fs.existsSync(address.path)).toBe(true);
  const listener = await createRealNet().listen(address, nothing);
  await listener.close(0);
  fs.writeFileSync(address.path, 'mine');
  await expect(createRealNet().listen(address, nothing)).rejects.toMatchObject({ code: 'EEXIST' });
  expect(fs.readFileSync(address.path, 'utf8')).toBe('mine');
});

test('socket paths are absolute and short enough', async () => {
  const real = createRealNet();
  await expect(real.listen({ kind: 'unix', path: 'relative' }, nothing)).rejects.toMatchObject({ code: 'EINVAL' });
  await expect(real.dial(unix('x'.repeat(120)), 100)).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
});

test.each(['0.0.0.0', '192.0.2.1', 'example.org', '::', '127.0.0.1.example.org'])(
  'plain TCP to or on %s is refused',
  async (host) => {
    const address = { kind: 'tcp', host, port: 0 } as const;
    await expect(createRealNet().listen(address, nothing)).rejects.toMatchObject({ code: 'EACCES' });
    await expect(createRealNet().dial(address, 100)).rejects.toMatchObject({ code: 'EACCES' });
  },
);

test('a listener that never accepts makes the dial time out', async () => {
  const script = `
    const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });
  `;
  const child = spawn(process.execPath, ['-e', script]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const [port] = await once(child.stdout, 'data');
  const address = { kind: 'tcp', host: '127.0.0.1', port: Number(port) } as const;
  // The kernel itself takes a few connections before it lets the others wait.
  const dials = await Promise.allSettled(Array.from({ length: 8 }, () => createRealNet().dial(address, 300)));
  const refused = dials.filter((dial) => dial.status === 'rejected').map((dial) => dial.reason);
  expect(refused.length).toBeGreaterThan(0);
  for (const reason of refused) expect(reason).toMatchObject({ code: 'ETIMEDOUT' });
  for (const dial of dials) if (dial.status === 'fulfilled') dial.value.destroy();
  child.kill('SIGKILL');
  await once(child, 'close');
});

test('a listener that closes lets its connections finish until the grace is over', async () => {
  const real = createRealNet();
  const accepted = Promise.withResolvers<void>();
  const listener = await real.listen(unix('s'), (connection) => {
    connection.start({ data: nothing, drain: nothing, close: nothing });
    accepted.resolve();
  });
  const here = await real.dial(listener.address, 1000);
  const closed = Promise.withResolvers<Error | undefined>();
  here.start({ data: nothing, drain: nothing, close: closed.resolve });
  await accepted.promise;
  await listener.close(10);
  await closed.promise;
});
