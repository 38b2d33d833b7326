import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from '@ron/app-sdk/node';
import { createRealEnv } from '@ron/kernel/real';
import { storageContract } from '@ron/proto/storage';
import { OapPool } from '@ron/service';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MacronodeProcess, startMacronode } from '../support/macronode-process.ts';
import { macronodeMain, StartError, startNodeProcess } from '../support/node-process.ts';
import { sampleBytes } from '../support/sample-bytes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const pauseMs = 20;
const pause = () => new Promise((resolve) => setTimeout(resolve, pauseMs));
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
};

const textFrom = (socketPath: string, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const request = get({ socketPath, path }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => resolve(Buffer.concat(pieces).toString()));
    });
    request.on('error', reject);
  });

describe('a macronode', () => {
  const stack = new AsyncDisposableStack();
  let folder = '';
  let macro: MacronodeProcess;
  /** Every acknowledged write, and how to see it. */
  const acknowledged: { readonly what: string; isThere(): Promise<boolean> }[] = [];

  beforeAll(async () => {
    folder = stack.use(tempFolder()).join('m');
    macro = stack.use(await startMacronode(folder));
  });
  afterAll(() => stack.disposeAsync());

  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${macro.node.capability}`, ...(init.headers as Record<string, string>) };
    return fetch(macro.node.url + path, { ...init, headers, signal: AbortSignal.timeout(60_000) });
  }

  const asJson = (method: string, body: object): RequestInit => ({
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

  /** An object, a name for it and a message; false as soon as one of them is not acknowledged. */
  async function write(tag: string): Promise<boolean> {
    const bytes = Buffer.from(sampleBytes(70_000 + tag.length, 1 + tag.length)).toString('base64') + tag;
    const put = await ask('/put', { method: 'PUT', body: bytes });
    if (!put.ok) return false;
    const { address } = (await put.json()) as { address: string };
    acknowledged.push({
      what: `${tag}: object`,
      isThere: async () => (await (await ask(`/o/${address}`)).text()) === bytes,
    });
    const set = await ask(`/name/kept/${tag}`, asJson('PUT', { address }));
    if (!set.ok) return false;
    acknowledged.push({
      what: `${tag}: name`,
      isThere: async () => (await (await ask(`/n/kept/${tag}`)).text()) === bytes,
    });
    const sent = await ask(`/mailbox/kept-${tag}/send`, asJson('POST', { body: tag }));
    if (!sent.ok) return false;
    acknowledged.push({
      what: `${tag}: message`,
      async isThere() {
        const { ready } = (await (await ask(`/mailbox/kept-${tag}/stats`)).json()) as { ready: number };
        return ready === 1;
      },
    });
    return true;
  }

  async function lost(): Promise<string[]> {
    const missing: string[] = [];
    for (const { what, isThere } of acknowledged) if (!(await isThere())) missing.push(what);
    return missing;
  }

  test('is ready when it says so, with every process', async () => {
    const { processes } = await macro.launcher.processes.list({});
    expect(processes.map(({ process, ready }) => [process, ready])).toEqual(
      ['trust', 'index', 'mailbox', 'storage', 'edge', 'gateway-1', 'gateway-2', 'omnigate'].map((name) => [
        name,
        true,
      ]),
    );
    const ready = await ask('/readyz');
    expect(ready.status).toBe(200);
    const { gates } = (await ready.json()) as { gates: { gate: string }[] };
    expect(gates.map(({ gate }) => gate)).toEqual(expect.arrayContaining(['process:storage', 'omnigate.backends']));
    expect(await write('first')).toBe(true);
    expect(await lost()).toEqual([]);
  });

  test.each(['storage', 'index', 'mailbox', 'edge', 'trust', 'gateway-1', 'omnigate'])(
    'kill -9 of %s: nothing acknowledged is lost, and it comes back',
    async (name) => {
      expect(await write(`before-${name}`)).toBe(true);
      const pid = (await macro.pidOf(name))!;
      process.kill(pid, 'SIGKILL');
      while (!(await write(`after-${name}`).catch(() => false))) await pause();
      while (
        !(await ask('/readyz').then(
          ({ ok }) => ok,
          () => false,
        ))
      )
        await pause();
      // The one that was there is gone, and another one is ready.
      while ([pid, undefined].includes(await macro.pidOf(name))) await pause();
      expect(await lost()).toEqual([]);
    },
  );

  test('a rolling restart under traffic refuses nothing', async () => {
    const { address } = (await (await ask('/put', { method: 'PUT', body: 'rolling' })).json()) as { address: string };
    let puts = 0;
    const requests: (() => Promise<Response>)[] = [
      () => ask(`/o/${address}`),
      () => ask('/name/resolve/kept/first'),
      () => ask('/put', { method: 'PUT', body: `object ${puts++}`.repeat(100) }),
      () => ask('/name/rolling', asJson('PUT', { address })),
      () => ask('/mailbox/rolling/send', asJson('POST', { body: 'x' })),
      () => ask('/policy/hash'),
    ];
    let served = 0;
    const failed: string[] = [];
    let rolling = true;
    const client = async (from: number): Promise<void> => {
      for (let turn = from; rolling; turn += 1) {
        const reply = await requests[turn % requests.length]!();
        const text = await reply.text();
        if (reply.ok) served += 1;
        else failed.push(`${reply.status} ${text}`);
        await pause();
      }
    };
    const clients = Promise.all(Array.from({ length: 6 }, (_, index) => client(index)));
    const { processes } = await macro.launcher.processes.restart({}).finally(() => {
      rolling = false;
    });
    await clients;
    expect(failed).toEqual([]);
    expect(served).toBeGreaterThan(20);
    const restarted = processes.filter(({ restarts }) => restarts > 0).map(({ process }) => process);
    expect(restarted).toEqual(processes.map(({ process }) => process).filter((name) => name !== 'omnigate'));
    expect(await lost()).toEqual([]);
  });

  test('a process asks others with its own capability: a client’s opens no private socket', async () => {
    const address = { kind: 'unix', path: `${folder}/run/storage.sock` } as const;
    const clients = [undefined, new TextEncoder().encode(macro.node.capability)];
    for (const capability of clients) {
      await using pool = new OapPool({ env: createRealEnv(), address, capability: () => capability });
      await expect(pool.peer(storageContract).usage({})).rejects.toMatchObject({ code: 'unauthenticated' });
    }
  });

  test('each process has metrics and readiness for its operator, on a socket', async () => {
    const { processes } = await macro.launcher.processes.list({});
    for (const { process } of processes.filter((one) => one.process !== 'omnigate')) {
      const socket = `${folder}/run/${process}.http`;
      expect(await textFrom(socket, '/metrics')).toContain('requests_total{service=');
      expect(JSON.parse(await textFrom(socket, '/readyz'))).toMatchObject({ ready: true });
    }
  });

  test('a second one on the same folder, or on a port in use, is refused with what to do', async () => {
    const same = startNodeProcess({ program: [macronodeMain], args: ['--folder', folder, '--listen', '127.0.0.1:0'] });
    await expect(same).rejects.toMatchObject({ exit: { code: 6 }, stderr: expect.stringContaining('in use') });
    using other = tempFolder();
    const listen = `127.0.0.1:${macro.node.port}`;
    const taken = startNodeProcess({
      program: [macronodeMain],
      args: ['--folder', other.join('m'), '--listen', listen],
    });
    const error = (await taken.catch((thrown: unknown) => thrown)) as StartError;
    expect(error).toBeInstanceOf(StartError);
    expect(error.exit.code).toBe(6);
    expect(error.stderr).toContain('omnigate cannot start');
  });

  test('an unknown key is refused with its line', async () => {
    using other = tempFolder();
    const file = other.join('macronode.toml');
    writeFileSync(file, '[topology]\ngatewys = 3\n');
    const refused = startNodeProcess({
      program: [macronodeMain],
      args: ['--config', file, '--folder', other.join('m')],
    });
    await expect(refused).rejects.toMatchObject({
      exit: { code: 9 },
      stderr: expect.stringMatching(/macronode\.toml:2.*did you mean gateways\?/),
    });
  });

  test('no process outlives its launcher, and the next one finds everything', async () => {
    const { processes } = await macro.launcher.processes.list({});
    macro.node.kill('SIGKILL');
    await macro.node.exited;
    for (const { pid } of processes) while (isAlive(pid!)) await pause();
    await macro[Symbol.asyncDispose]();
    macro = stack.use(await startMacronode(folder));
    expect(await lost()).toEqual([]);
    const capability = macro.node.capability;
    await using client = connect({ url: macro.node.url, capability });
    expect((await client.names.resolve('kept/first')).version).toBe(1);
  });

  test('a stop leaves nothing behind', async () => {
    const { processes } = await macro.launcher.processes.list({});
    await macro.node.stop();
    expect((await macro.node.exited).code).toBe(0);
    for (const { pid } of processes) expect(isAlive(pid!)).toBe(false);
  });
});
