import { afterEach, expect, test } from 'vitest';
import type { HttpRequest } from '../../env/http.ts';
import { closeAll, hello, RawClient, serve, text } from './test-client.ts';

afterEach(closeAll);

test('a list of values is a field of several lines, in a response and in a refusal', async () => {
  const headers = { 'set-cookie': ['a=1', 'b=2'], 'content-type': 'text/plain' };
  const port = await serve(() => ({ status: 200, headers, body: text('x') }), {
    refusal: () => ({ status: 400, headers: { 'x-a': ['1', '2'] } }),
  });
  const good = await new RawClient(port).say('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').untilEnd();
  expect(good).toContain('set-cookie: a=1\r\nset-cookie: b=2\r\n');
  expect(await new RawClient(port).say('?\r\n\r\n').untilEnd()).toContain('x-a: 1\r\nx-a: 2\r\n');
});

test('the lines of a request are there as received', async () => {
  const seen = Promise.withResolvers<HttpRequest>();
  const port = await serve((request) => {
    seen.resolve(request);
    return hello(request);
  });
  await new RawClient(port)
    .say('GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n')
    .untilEnd();
  expect((await seen.promise).fieldLines).toEqual(['Host', 'a', 'X-A', '1', 'x-a', '2', 'Connection', 'close']);
});

test('interim responses go ahead of the final one, and to no client of HTTP/1.0', async () => {
  const port = await serve((request) => {
    request.inform?.(103, { link: ['</a>', '</b>'] });
    request.inform?.(102, {});
    return hello(request);
  });
  const heard = await new RawClient(port).say('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').untilEnd();
  expect(heard).toMatch(
    /^HTTP\/1\.1 103 [^\r]*\r\nlink: <\/a>\r\nlink: <\/b>\r\n\r\nHTTP\/1\.1 102 [^\r]*\r\n\r\nHTTP\/1\.1 200 /,
  );
  expect(await new RawClient(port).say('GET / HTTP/1.0\r\n\r\n').untilEnd()).toMatch(/^HTTP\/1\.1 200 /);
});

test.each([
  ['http://b:81/p?q', 'b:81', '/p?q'],
  ['HTTPS://b', 'b', '/'],
  ['http://b?q', 'b', '/?q'],
])('%s in absolute form, where it is taken', async (target, host, path) => {
  const handler = ({ target: asked, headers }: HttpRequest) => ({
    status: 200,
    headers: {},
    body: text(`${headers['host']} ${asked}`),
  });
  const words = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
  expect(await new RawClient(await serve(handler, { absoluteForm: true })).say(words).untilEnd()).toContain(
    `\r\n\r\n${host} ${path}`,
  );
  expect(await new RawClient(await serve(handler)).say(words).untilEnd()).toMatch(/^HTTP\/1\.1 400 /);
});

test.each(['ftp://b/', 'http://u@b/', 'http:///', 'b:80'])('%s is refused all the same', async (target) => {
  const client = new RawClient(await serve(hello, { absoluteForm: true }));
  expect(await client.say(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`).untilEnd()).toMatch(/^HTTP\/1\.1 400 /);
});
