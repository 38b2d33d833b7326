import { expect, test } from 'vitest';
import { decodeHttpReply, encodeHttpCall, type HttpReply } from './http-call.ts';

function reply(status: number, headers: Record<string, string>, body = ''): HttpReply {
  return { status, header: (name) => headers[name], text: async () => body, body: undefined };
}

test('fields go to path, query, headers and body, each once', () => {
  const address = `b3:${'0'.repeat(64)}`;
  const entry = { address, path: 'a b/ü#?.txt', range: 'bytes=0-1', head: true };
  expect(encodeHttpCall({ operation: 'entry', input: entry, corrId: 'c' }, 'cap')).toEqual({
    method: 'HEAD',
    target: `/o/${address}/a%20b/%C3%BC%23%3F.txt`,
    headers: { 'x-corr-id': 'c', authorization: 'Bearer cap', range: 'bytes=0-1' },
    json: undefined,
  });
  const name = { name: 'docs/x', address, if_match: '"3"' };
  const set = encodeHttpCall({ operation: 'set_name', input: name, corrId: 'c', idempotencyKey: 'k' }, undefined);
  expect(set).toEqual({
    method: 'PUT',
    target: '/name/docs/x',
    headers: { 'x-corr-id': 'c', 'idempotency-key': 'k', 'if-match': '"3"', 'content-type': 'application/json' },
    json: JSON.stringify({ address }),
  });
  const list = encodeHttpCall({ operation: 'list_names', input: { prefix: 'a&b', limit: 5 }, corrId: 'c' }, undefined);
  expect(list.target).toBe('/names?prefix=a%26b&limit=5');
});

test.each([
  ['3', undefined, 3_000],
  ['Wed, 21 Oct 2015 07:28:30 GMT', 'Wed, 21 Oct 2015 07:28:00 GMT', 30_000],
  ['Wed, 21 Oct 2015 07:27:00 GMT', 'Wed, 21 Oct 2015 07:28:00 GMT', 0],
  ['soon', undefined, undefined],
])('Retry-After %s at %s is %s ms', async (retryAfter, date, retryAfterMs) => {
  const headers = { 'retry-after': retryAfter, ...(date === undefined ? {} : { date }) };
  const envelope = JSON.stringify({ code: 'unavailable', message: 'm', retryable: true, corr_id: 'c' });
  for (const body of [envelope, '<h1>a proxy</h1>']) {
    const refused = decodeHttpReply({ operation: 'has' }, reply(503, headers, body));
    await expect(refused).rejects.toMatchObject({ code: 'unavailable', retryAfterMs });
  }
});

test('only reads have a status among their fields', async () => {
  const json = await decodeHttpReply({ operation: 'has' }, reply(200, {}, '{"present":[],"missing":[]}'));
  expect(json.output).toEqual({ present: [], missing: [] });
  const read = await decodeHttpReply({ operation: 'get' }, reply(206, { 'ron-size': '7' }));
  expect(read.output).toEqual({ status: 206, size: 7 });
});
