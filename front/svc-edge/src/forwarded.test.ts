import { afterEach, describe, expect, test } from 'vitest';
import type { Exchange } from './fixtures/raw-origin.ts';
import { type EdgeRig, startEdge } from './fixtures/start-edge.ts';
import { forwardedNames } from './rules/forwarded.ts';

let edge: EdgeRig;
afterEach(() => edge[Symbol.asyncDispose]());

/** As frameworks do that believe a field about where they are, and say nothing about it in Vary. */
const believing = (exchange: Exchange) => {
  const said = forwardedNames.map((name) => exchange.headers[name]).filter((value) => value !== undefined);
  exchange.answer(200, { 'Cache-Control': 'max-age=60' }, `at ${said.join() || 'home'}`);
};

describe('what a client claims about its request', () => {
  test.each(forwardedNames)('%s reaches no origin whose answer others may get', async (name) => {
    edge = await startEdge();
    edge.origin.script = believing;
    const headers = { [name.toUpperCase()]: 'evil.example' };
    expect((await edge.ask('/', { headers })).body).toBe('at home');
    expect(await edge.ask('/')).toMatchObject({ body: 'at home', headers: { 'x-cache': 'HIT' } });
    expect((await edge.ask('/other', { headers, method: 'HEAD' })).status).toBe(200);
    for (const request of edge.origin.requests) expect(request.headers).not.toHaveProperty(name);
  });

  test('does not split what is stored either, whatever Vary says', async () => {
    edge = await startEdge();
    edge.origin.script = (exchange) =>
      exchange.answer(200, { 'Cache-Control': 'max-age=60', Vary: 'X-Forwarded-Host' }, 'x');
    await edge.ask('/');
    for (const host of ['a', 'b', 'c']) await edge.ask('/', { headers: { 'X-Forwarded-Host': host } });
    expect(edge.origin.requests).toHaveLength(1);
  });

  test('goes on with other methods; what they then bring is kept for nobody', async () => {
    edge = await startEdge();
    edge.origin.script = (exchange) => {
      const headers = { 'Cache-Control': 'max-age=60', 'Content-Location': '/' };
      exchange.answer(200, headers, `at ${exchange.headers['x-forwarded-host'] ?? 'home'}`);
    };
    const claim = { 'X-Forwarded-Host': 'evil.example' };
    expect((await edge.ask('/', { method: 'POST', headers: claim })).body).toBe('at evil.example');
    expect((await edge.ask('/')).body).toBe('at home');
  });

  test('selects what is stored when the operator lets it pass', async () => {
    edge = await startEdge({ passForwarded: true });
    edge.origin.script = believing;
    const as = async (name: string, value: string) =>
      (await edge.ask('/', { headers: { [name]: value } })).headers['x-cache'];
    expect(await as('X-Forwarded-Host', 'a')).toBe('MISS');
    expect(await as('X-Forwarded-Host', 'b')).toBe('MISS');
    expect(await as('X-Original-URL', 'b')).toBe('MISS');
    expect(await as('X-Forwarded-Host', 'a')).toBe('HIT');
    expect((await edge.ask('/')).body).toBe('at home');
    expect((await edge.ask('/', { headers: { 'X-Original-URL': 'b' } })).body).toBe('at b');
    expect(edge.cache.purge({ url: '/' })).toBe(4);
  });
});
