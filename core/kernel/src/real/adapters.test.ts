import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { createMetrics } from '@ron/metrics';
import { expect, onTestFinished, test } from 'vitest';
import { sleep } from '../env/clock.ts';
import { createRealClock } from './clock.ts';
import { watchConfigFile } from './config-watcher.ts';
import { createLog } from './log.ts';
import { measureProcess } from './process-gauges.ts';
import { createRealRandom } from './random.ts';
import { createInlineWork } from './work.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const text = (value: string) => new TextEncoder().encode(value);

test('timers run once, a cancelled one never, a delay out of range is refused', async () => {
  const clock = createRealClock();
  let fired = 0;
  const timer = clock.after(0, () => fired++);
  timer.cancel();
  timer.cancel();
  await sleep(clock, 2);
  expect(fired).toBe(0);
  expect(() => clock.after(2 ** 31, () => undefined)).toThrow(RangeError);
  expect(() => clock.after(-1, () => undefined)).toThrow(RangeError);
});

test('a sleep ends with its signal', async () => {
  const abort = new AbortController();
  const sleeping = sleep(createRealClock(), 60_000, abort.signal);
  abort.abort(new Error('enough'));
  await expect(sleeping).rejects.toThrow('enough');
  await expect(sleep(createRealClock(), 60_000, abort.signal)).rejects.toThrow('enough');
});

test('random bytes have the length asked for and do not repeat', () => {
  const random = createRealRandom();
  const seen = new Set<string>();
  for (let i = 0; i < 2000; i++) seen.add(hex(random.bytes(16)));
  expect(seen.size).toBe(2000);
  for (const length of [0, 1, 1024, 1025, 8192, 65_536]) expect(random.bytes(length).byteLength).toBe(length);
  for (const length of [-1, 1.5, 65_537]) expect(() => random.bytes(length)).toThrow(RangeError);
  for (let i = 0; i < 1000; i++) {
    const unit = random.unit();
    expect(unit >= 0 && unit < 1).toBe(true);
  }
});

test('BLAKE3 of nothing and of views, whole and in pieces', () => {
  const work = createInlineWork();
  // The first test vector of the BLAKE3 repository.
  expect(hex(work.blake3(new Uint8Array(0)))).toBe('af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262');
  const big = new Uint8Array(300_000).fill(7);
  const view = big.subarray(1000, 250_001);
  const stream = work.blake3Stream();
  stream.update(view.subarray(0, 65_536));
  stream.update(view.subarray(65_536));
  expect(hex(stream.digest())).toBe(hex(work.blake3(view)));
  expect(hex(work.blake3(view.slice()))).toBe(hex(work.blake3(view)));
  expect(() => stream.update(view)).toThrow('already');
});

test('zstd inflates up to its bound, and not one byte more', () => {
  const work = createInlineWork();
  const packed = zstdCompressSync(new Uint8Array(1000));
  expect(work.inflateZstd(packed, 1000).byteLength).toBe(1000);
  expect(() => work.inflateZstd(packed, 999)).toThrow(expect.objectContaining({ code: 'payload_too_large' }));
  const bomb = zstdCompressSync(new Uint8Array(100_000_000));
  expect(() => work.inflateZstd(bomb, 8_388_608)).toThrow(expect.objectContaining({ code: 'payload_too_large' }));
  expect(() => work.inflateZstd(text('no zstd'), 100)).toThrow(expect.objectContaining({ code: 'bad_request' }));
});

test('log lines hold fields and no secrets', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'info', stream: { write: (line: string) => void lines.push(line) } });
  log.debug({}, 'too quiet');
  log
    .child({ service: 'index' })
    .warn({ token: 'T', headers: { authorization: 'A', 'ron-cap': 'C', host: 'h' } }, 'hello');
  log.error({ error: new Error('broken') }, 'failed');
  expect(JSON.parse(lines.pop() as string)).toMatchObject({ error: { message: 'broken', stack: expect.any(String) } });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] as string)).toMatchObject({
    level: 'warn',
    service: 'index',
    token: '[redacted]',
    headers: { authorization: '[redacted]', 'ron-cap': '[redacted]', host: 'h' },
    msg: 'hello',
  });
});

test('the process gauges are filled at a scrape', async () => {
  const metrics = createMetrics();
  using _sampling = measureProcess(metrics);
  await metrics.exposition();
  expect(metrics.read('process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
  expect(metrics.read('process_heap_used_bytes')).toBeGreaterThan(1_000_000);
  expect(metrics.read('event_loop_delay_p99_seconds')).toBeGreaterThanOrEqual(0);
});

test('a config file is read again after a change in place and after a replacement', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ron-config-'));
  const file = path.join(folder, 'config.toml');
  fs.writeFileSync(file, 'a = 1');
  let heard = Promise.withResolvers<string>();
  const watch = watchConfigFile(file, createRealClock(), (content) => heard.resolve(content), heard.reject);
  fs.writeFileSync(file, 'a = 2');
  expect(await heard.promise).toBe('a = 2');
  heard = Promise.withResolvers();
  fs.writeFileSync(`${file}.new`, 'a = 3');
  fs.renameSync(`${file}.new`, file);
  expect(await heard.promise).toBe('a = 3');
  watch[Symbol.dispose]();
  fs.rmSync(folder, { recursive: true });
});

test('the first signal asks, the second ends the process', async () => {
  const script = `
    import { waitForShutdown } from ${JSON.stringify(path.join(import.meta.dirname, 'shutdown.ts'))};
    setInterval(() => undefined, 1000);
    waitForShutdown().then((signal) => console.log('asked', signal));
    console.log('ready');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  const [said] = await once(child.stdout, 'data');
  expect(String(said)).toBe('asked SIGINT\n');
  child.kill('SIGTERM');
  const [code, signal] = await once(child, 'close');
  expect([code, signal]).toEqual([null, 'SIGTERM']);
});
