import { afterEach, expect, test } from 'vitest';
import { closeAll, RawClient, serve, text } from './test-client.ts';

afterEach(closeAll);

const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('a connection that rests is not read, and others are served meanwhile', async () => {
  let served = 0;
  const port = await serve(() => {
    served++;
    return { status: 503, headers: {}, body: text('wait'), ...(served === 1 ? { restMs: 60_000 } : {}) };
  });
  const resting = new RawClient(port);
  resting.say(request);
  await resting.until((heard) => heard.endsWith('wait'));
  resting.say(request);
  for (let others = 1; others <= 3; others++) {
    const other = new RawClient(port);
    other.say(request);
    await other.until((heard) => heard.endsWith('wait'));
    expect(served).toBe(1 + others);
  }
});

test('a connection that has rested goes on, and not before', async () => {
  const restMs = 50;
  const servedMs: number[] = [];
  const port = await serve(() => {
    servedMs.push(performance.now());
    return { status: 503, headers: {}, body: text('wait'), ...(servedMs.length === 1 ? { restMs } : {}) };
  });
  const resting = new RawClient(port);
  resting.say(request);
  await resting.until((heard) => heard.endsWith('wait'));
  resting.say(request);
  await resting.until((heard) => heard.match(/wait/g)?.length === 2);
  // A timer may come a millisecond early.
  expect(servedMs[1]! - servedMs[0]!).toBeGreaterThanOrEqual(restMs - 2);
});

test('an address that speaks for many does not wait for one of them', async () => {
  const answer = () => ({ status: 503, headers: {}, body: text('wait'), restMs: 60_000 });
  const client = new RawClient(await serve(answer, { speaksForMany: (address) => address === '127.0.0.1' }));
  for (const count of [1, 2]) {
    client.say(request);
    await client.until((heard) => heard.match(/wait/g)?.length === count);
  }
});

test('a connection that ends while it rests leaves nothing behind', async () => {
  const port = await serve(() => ({ status: 503, headers: {}, body: text('wait'), restMs: 60_000 }));
  const client = new RawClient(port);
  client.say(request);
  await client.until((heard) => heard.endsWith('wait'));
  // `closeAll` waits for the listener, which waits for its connections.
});

test('a response that closes says so, and no other request is answered behind it', async () => {
  const port = await serve(() => ({ status: 503, headers: {}, body: text('gone'), closes: true }));
  const client = new RawClient(port);
  client.say(request + request);
  const heard = await client.untilEnd();
  expect(heard.toLowerCase()).toContain('\r\nconnection: close\r\n');
  expect(heard.match(/gone/g)).toHaveLength(1);
});
