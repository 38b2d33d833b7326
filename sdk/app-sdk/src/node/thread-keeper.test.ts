import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { connect } from './index.ts';
import { startBoxServer } from './testing/box-server.ts';
import { createThreadKeeper } from './thread-keeper.ts';

test('a handler that blocks the event loop for longer than its lease keeps it', async () => {
  await using server = await startBoxServer();
  await using ron = connect({ url: server.url, capability: 'ron1_test' });
  const stop = new AbortController();
  const errors: unknown[] = [];
  const handler = async () => {
    // A third of the visibility comes before each: four are later than the end of the lease. Nothing of this loop runs
    // meanwhile: they come from the thread.
    server.blockUntilExtended(4);
    stop.abort();
  };
  const onError = (error: unknown) => errors.push(error);
  await ron.mailbox('jobs').process(handler, { signal: stop.signal, visibilityMs: 250, onError });
  expect([errors, await server.counts()]).toEqual([
    [],
    expect.objectContaining({ ack: 1, late: 0, capability: 'Bearer ron1_test' }),
  ]);
});

test('says that a lease is lost, and not after it was released', async () => {
  await using server = await startBoxServer();
  await using keeper = createThreadKeeper({ url: server.url, capability: undefined });
  await keeper.ready();
  const released = keeper.keep({ box: 'jobs', lease: 'A', visibilityMs: 250 }, () => expect.unreachable());
  released();
  const reason = await new Promise((resolve) => keeper.keep({ box: 'jobs', lease: 'B', visibilityMs: 250 }, resolve));
  expect(reason).toMatchObject({ message: 'the lease ended' });
});

test('a thread that cannot work says so before anything is leased', async () => {
  const keeper = createThreadKeeper({ url: 'ftp://nowhere', capability: undefined });
  await expect(keeper.ready()).rejects.toThrow('the thread that keeps leases failed');
  expect(() => keeper.keep({ box: 'jobs', lease: 'A', visibilityMs: 250 }, () => undefined)).toThrow('failed');
  await keeper[Symbol.asyncDispose]();
});

test('a process with nothing else to do ends', () => {
  const module = new URL('./thread-keeper.ts', import.meta.url).href;
  const script = `
    const { createThreadKeeper } = await import(${JSON.stringify(module)});
    const keeper = createThreadKeeper({ url: 'http://127.0.0.1:9', capability: undefined });
    await keeper.ready();
    keeper.keep({ box: 'jobs', lease: 'A', visibilityMs: 60_000 }, () => undefined);
    console.log('kept');`;
  const options = { encoding: 'utf8', timeout: 50_000 } as const;
  const ran = spawnSync(process.execPath, ['--input-type=module', '--eval', script], options);
  expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, 'kept\n', '']);
});
