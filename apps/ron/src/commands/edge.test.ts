import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runRon, startRon, timeForProcesses } from '../testing/run-ron.ts';

vi.setConfig(timeForProcesses);

let origin: http.Server;
let asked = 0;
beforeAll(async () => {
  origin = http.createServer((request, response) => {
    asked++;
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end(`${request.method} ${request.url}`);
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
});
afterAll(() => void origin.close());

const originUrl = () => `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;

describe('ron edge, as a process', () => {
  it('prints where it listens, caches, and ends with the interrupt', async () => {
    const child = startRon(['edge', '--origin', originUrl(), '--listen', '127.0.0.1:0']);
    const ended = new Promise((resolve) => child.on('exit', resolve));
    try {
      const [url] = await createInterface({ input: child.stdout! })
        [Symbol.asyncIterator]()
        .next()
        .then(({ value }) => [String(value)]);
      for (const word of ['MISS', 'HIT']) {
        const response = await fetch(`${url}/a?b`);
        expect(response.headers.get('x-cache')).toBe(word);
        expect(await response.text()).toBe('GET /a?b');
      }
      expect(asked).toBe(1);
    } finally {
      child.kill('SIGTERM');
    }
    expect(await ended).toBe(130);
  });

  it('does not show the operator’s side to the world', async () => {
    const { code, stderr } = await runRon([
      ...['edge', '--origin', originUrl(), '--listen', '127.0.0.1:0', '--admin', '0.0.0.0:0'],
    ]);
    expect(stderr).toMatch(/cannot listen at --admin 0\.0\.0\.0:0[\s\S]*loopback[\s\S]*ron edge --admin 127/);
    expect(code).toBe(9);
  });

  it('says what is wrong when it cannot listen', async () => {
    const taken = originUrl().slice('http://'.length);
    const { code, stderr } = await runRon(['edge', '--origin', originUrl(), '--listen', taken]);
    expect(stderr).toMatch(/cannot listen[\s\S]*something else listens there/);
    expect(stderr).not.toContain('--admin');
    expect(code).toBe(9);
    const admin = await runRon(['edge', '--origin', originUrl(), '--listen', '127.0.0.1:0', '--admin', taken]);
    expect(admin.stderr).toMatch(
      /cannot listen at --admin 127[\s\S]*something else listens there[\s\S]*ron edge --admin/,
    );
    expect(admin.code).toBe(9);
  });

  it.each([
    [[], /required option '--origin/],
    [['--origin', 'ftp://a'], /no http or https URL/],
    [['--origin', 'http://a/path'], /every path is passed on/],
    [['--origin', 'http://u:p@a'], /every path is passed on/],
    [['--origin', 'http://a', '--listen', 'nowhere'], /is not HOST:PORT/],
    [['--origin', 'http://a', '--listen', '127.0.0.1:65536'], /is not HOST:PORT/],
    [['--origin', 'http://a', '--memory', 'much'], /not a number of bytes/],
    [['--origin', 'http://a', '--connections', '0'], /connections/],
    [['--origin', 'http://a', '--admin', 'nowhere'], /--admin nowhere is not HOST:PORT/],
    [['--origin', 'http://a', '--stale-if-error', '-1'], /stale-if-error/],
    [['--origin', 'http://a', '--negative-ttl', '1h'], /negative-ttl/],
    [['--origin', 'http://a', '--disk', 'x', '--disk-bytes', 'all'], /not a number of bytes/],
    [['--origin', 'http://a', '--log-level', 'loud'], /log-level/],
  ])('%j is a usage error', async (line, message) => {
    const { code, stderr } = await runRon(['edge', ...line]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
