import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, createSettableLoad } from '@ron/kernel';
import { createRealClock } from '@ron/kernel/real';
import type { Right } from '@ron/proto/capability';
import { afterAll, expect, test } from 'vitest';
import { startNode } from './fixtures/start-node.ts';

const folder = mkdtempSync(join(tmpdir(), 'ron-overload-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A connection that was refused something rests for a while, whatever is asked on it next. */
const eventually = { timeout: 30_000 };
const heap = (percent: number) => ({ heapUsedBytes: percent, heapLimitBytes: 100 });

/** The platform's clock, but for timers of just `ms`: `set` is what to call in their stead. */
function heldTimer(ms: number): { readonly clock: Clock; readonly set: Promise<() => void> } {
  const { promise: set, resolve } = Promise.withResolvers<() => void>();
  const real = createRealClock();
  const after: Clock['after'] = (delayMs, task) => {
    if (delayMs !== ms) return real.after(delayMs, task);
    resolve(task);
    return { cancel: () => undefined };
  };
  return { clock: { ...real, after }, set };
}

test('under pressure writes go first, readiness says why while reads are still served, and all of it ends', async () => {
  const load = createSettableLoad();
  const { node, ask } = await startNode({}, { load });
  await using _node = node;
  const { address } = (await (await ask('/put', { method: 'PUT', body: 'hello' })).json()) as { address: string };
  const statuses = async () => [
    (await ask('/put', { method: 'PUT', body: 'more' })).status,
    (await ask(`/o/${address}`)).status,
    (await ask('/readyz')).status,
    (await ask('/healthz')).status,
  ];
  expect(await statuses()).toEqual([201, 200, 200, 200]);
  load.set(heap(86));
  await expect.poll(statuses, eventually).toEqual([503, 200, 503, 200]);
  const refused = await ask('/put', { method: 'PUT', body: 'more' });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(await refused.json()).toMatchObject({ code: 'unavailable', retryable: true, details: { gate: 'heap' } });
  const { gates } = (await (await ask('/readyz')).json()) as { gates: readonly { gate: string }[] };
  expect(gates.find(({ gate }) => gate === 'heap')).toMatchObject({ ok: false, value: 0.86, bound: 0.85 });
  expect(await (await ask('/metrics')).text()).toMatch(/rejected_total\{service="gateway",reason="heap"\} [1-9]/);
  load.set(heap(99));
  await expect.poll(statuses, eventually).toEqual([503, 503, 503, 200]);
  load.set(heap(1));
  await expect.poll(statuses, eventually).toEqual([200, 200, 200, 200]);
});

test('strangers with worthless capabilities are told to wait, and who is known is served', async () => {
  const { node, ask } = await startNode();
  await using _node = node;
  expect((await ask('/names')).status).not.toBe(401);
  const answers = new Map<number, Response>();
  const rights: readonly Right[] = [{ methods: ['read'], prefix: 'n/' }];
  const { token } = await node.authority.issue({ subject: 'nobody', rights, scheme: 'ed25519' });
  // One character of the last signature is another each time: a whole chain is verified for nothing. Many at once, since
  // what they may cost is a share of the time that they take.
  for (let round = 0; round < 100 && !answers.has(429); round += 1) {
    const forgeries = Array.from({ length: 30 }, async (_, at) => {
      const place = token.length - 4 - ((round * 30 + at) % 60);
      const forged = `${token.slice(0, place)}${token[place] === 'A' ? 'B' : 'A'}${token.slice(place + 1)}`;
      // On a machine that stood still the node may have ended the connection, idle for too long, as the call goes out.
      const answer = await ask('/names', { headers: { authorization: `Bearer ${forged}` } }).catch(() => undefined);
      if (answer === undefined) return;
      await answer.arrayBuffer();
      answers.set(answer.status, answer);
    });
    await Promise.all(forgeries);
  }
  expect([...answers.keys()].sort()).toEqual([401, 429]);
  expect(Number(answers.get(429)!.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect((await ask('/names')).status).not.toBe(429);
});

test('quotas of a node on disk survive a restart, and every answer has their headers', async () => {
  const limits = { 'gateway.writes_per_second': '0.001', 'gateway.writes_burst': '2' };
  const put = (ask: Awaited<ReturnType<typeof startNode>>['ask']) => ask('/put', { method: 'PUT', body: 'x' });
  {
    const { node, ask } = await startNode(limits, { folder });
    await using _node = node;
    const answer = await put(ask);
    expect([answer.status, answer.headers.get('ratelimit')]).toEqual([201, '"writes";r=1;t=1000']);
    expect(answer.headers.get('ratelimit-policy')).toBe('"writes";q=2;w=2000');
    const missing = await ask(`/o/b3:${'0'.repeat(64)}`);
    expect([missing.status, missing.headers.get('ratelimit-policy')]).toEqual([404, '"requests";q=200000;w=2']);
    await put(ask);
  }
  const { node, ask } = await startNode(limits, { folder });
  await using _node = node;
  const refused = await put(ask);
  expect(refused.status).toBe(429);
  const { retry_after_ms, details } = (await refused.json()) as { retry_after_ms: number; details: object };
  expect(details).toMatchObject({ quota: 'writes' });
  expect(retry_after_ms).toBeGreaterThan(900_000);
  expect(refused.headers.get('ratelimit')).toBe(`"writes";r=0;t=${refused.headers.get('retry-after')}`);
});

test('a node that drains refuses on the connections that it has, ends them, and lets what runs finish', async () => {
  const load = createSettableLoad();
  const notice = heldTimer(54_321);
  const overrides = { 'server.drain_ms': '60000', 'server.drain_notice_ms': '54321' };
  const { node, ask } = await startNode(overrides, { load, clock: notice.clock });
  let finish: () => void = () => undefined;
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(1));
      finish = () => {
        controller.enqueue(new Uint8Array(1));
        controller.close();
      };
    },
  });
  const running = ask('/put', { method: 'PUT', body, duplex: 'half' } as RequestInit);
  await expect
    .poll(async () => (await (await ask('/metrics')).text()).includes('inflight{service="gateway"} 1'), eventually)
    .toBe(true);
  const stopping = node[Symbol.asyncDispose]();
  expect((await ask('/readyz')).status).toBe(503);
  expect((await ask('/names')).status).not.toBe(503);
  (await notice.set)();
  await expect.poll(async () => (await ask('/names')).status, eventually).toBe(503);
  const refused = await ask('/names');
  expect(await refused.json()).toMatchObject({ details: { gate: 'draining' } });
  expect([refused.headers.get('connection'), refused.headers.get('retry-after')]).toEqual(['close', '1']);
  const { gates } = (await (await ask('/readyz')).json()) as { gates: readonly { gate: string; ok: boolean }[] };
  expect(gates.find(({ gate }) => gate === 'draining')).toMatchObject({ ok: false });
  finish();
  expect((await running).status).toBe(201);
  await stopping;
});
