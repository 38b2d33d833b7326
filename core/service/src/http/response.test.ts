import type { HttpRoute } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { emptyBody, ResidentBody } from '@ron/proto/stream';
import { expect, test } from 'vitest';
import { pressureSignals } from '../pressure.ts';
import { errorResponse, replyOf } from './response.ts';

const json: HttpRoute = { method: 'GET', path: '/x', reply: 'json' };
const stream: HttpRoute = {
  method: 'GET',
  path: '/x',
  reply: 'stream',
  statusField: 'status',
  replyHeaders: { size: 'content-length', tag: 'etag' },
};

function outgoing(output: object, body?: AsyncIterable<Uint8Array>) {
  const state = { released: 0 };
  return {
    state,
    output,
    body,
    quota: undefined,
    release: () => {
      state.released += 1;
    },
  };
}

const text = (body: unknown) => new TextDecoder().decode(body as Uint8Array);

test('a JSON answer has the status of its route or of its field, which is not shown', () => {
  const plain = replyOf({ ...json, status: 202 }, outgoing({ a: 1 }), {});
  expect(plain).toMatchObject({
    status: 202,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  });
  const chosen = replyOf({ ...json, status: 202, statusField: 'status' }, outgoing({ a: 1, status: 201 }), {});
  expect(chosen.status).toBe(201);
  expect(text(chosen.body)).toBe('{"a":1}');
  expect(replyOf({ ...json, statusField: 'status' }, outgoing({ a: 1 }), {}).status).toBe(200);
});

test('204 and 304 have no body and no length, and release what they had', () => {
  for (const status of [204, 304]) {
    const reply = outgoing({ status, size: 5, tag: '"t"' }, new ResidentBody(new Uint8Array(5)));
    expect(replyOf(stream, reply, {})).toEqual({
      status,
      headers: { etag: '"t"', 'x-content-type-options': 'nosniff' },
    });
    expect(reply.state.released).toBe(1);
  }
});

test('an empty answer keeps the length that HEAD tells', () => {
  const reply = outgoing({ size: 5 }, emptyBody);
  const { headers, body } = replyOf({ ...stream, reply: 'empty' }, reply, {});
  expect(headers['content-length']).toBe(5);
  expect(body).toBeUndefined();
  expect(reply.state.released).toBe(1);
});

test('bytes: resident ones as they are, streams as streams, HEAD with the length of what it does not send', () => {
  const bytes = new Uint8Array(5);
  expect(replyOf(stream, outgoing({ size: 5 }, new ResidentBody(bytes)), {}).body).toBe(bytes);
  expect(replyOf(stream, outgoing({}, new ResidentBody(bytes)), {}).body).toBe(bytes);
  const source = (async function* () {
    yield bytes;
  })();
  expect(replyOf(stream, outgoing({ size: 5 }, source), {}).body).toBe(source);
  expect(replyOf(stream, outgoing({}), {}).body).toBeUndefined();
  expect(replyOf({ ...stream, method: 'HEAD' }, outgoing({ size: 9 }, emptyBody), {}).headers['content-length']).toBe(
    9,
  );
  expect(() => replyOf(stream, outgoing({ size: 6 }, new ResidentBody(bytes)), {})).toThrow('declared as 6');
});

test('the quota stands in RateLimit', () => {
  const quota = { limit: 10, remaining: -0.5, windowMs: 1_001 };
  expect(replyOf(json, { ...outgoing({}), quota }, {}).headers['ratelimit']).toBe('"default";r=0;t=2');
});

test('a refusal has the headers that its code calls for', () => {
  const of = (error: RonError) => errorResponse(error, 'corr-id-1', {});
  expect(of(new RonError('unavailable', 'x', { retryAfterMs: 1 })).headers['retry-after']).toBe(1);
  expect(of(new RonError('unavailable', 'x')).headers['retry-after']).toBe(1);
  expect(of(new RonError('not_found', 'x')).headers).not.toHaveProperty('retry-after');
  expect(of(new RonError('quota_exhausted', 'x', { retryAfterMs: 1_001 })).headers['retry-after']).toBe(2);
  expect(of(new RonError('unauthenticated', 'x')).headers['www-authenticate']).toBe('Bearer');
  expect(of(new RonError('range_not_satisfiable', 'x', { details: { size: 7 } }))).toMatchObject({
    status: 416,
    headers: { 'content-range': 'bytes */7' },
  });
  expect(of(new RonError('range_not_satisfiable', 'x')).headers).not.toHaveProperty('content-range');
  const internal = of(new RonError('internal', 'x', { cause: new Error('a secret detail') }));
  expect(internal.headers).toMatchObject({ 'cache-control': 'no-store', 'x-corr-id': 'corr-id-1' });
  expect(text(internal.body)).not.toContain('secret');
});

test('who is refused under pressure is not read from for a while, unless it is a queue that is long', () => {
  const of = (gate: string) =>
    errorResponse(new RonError('unavailable', 'x', { retryAfterMs: 400, details: { gate } }), 'corr-id-1', {});
  for (const signal of pressureSignals) expect(of(signal)).toMatchObject({ status: 503, restMs: 400 });
  for (const gate of ['queue_delay', 'revocations']) expect(of(gate)).not.toHaveProperty('restMs');
});

test('who asks for more than it may is not read from until it may again, half a second at most', () => {
  const restMs = (retryAfterMs: number) =>
    errorResponse(new RonError('quota_exhausted', 'x', { retryAfterMs }), 'corr-id-1', {}).restMs;
  expect([1, 499, 500, 501, 60_000].map(restMs)).toEqual([1, 499, 500, 500, 500]);
});
