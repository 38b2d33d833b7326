import { createSimEnv } from '@ron/kernel/sim';
import type { OapCall } from '@ron/oap';
import { RonError } from '@ron/proto/errors';
import { describe, expect, test } from 'vitest';
import type { Admission } from './define.ts';
import type { Incoming } from './dispatcher.ts';
import { createRelay } from './relay.ts';
import { principal } from './testing/echo-service.ts';
import { contractOf } from './testing/pipeline.ts';

function start(answer: (call: OapCall) => Promise<unknown> = async () => ({ done: true }), inflightMax?: number) {
  const sent: OapCall[] = [];
  const admitted: Admission[] = [];
  const relay = createRelay({
    env: createSimEnv({ seed: 1 }),
    contract: contractOf({ issue: { mutation: true }, slow: {} }),
    authenticator: {
      authenticate: ({ token }) => {
        if (token === 'bad') throw new RonError('unauthenticated', 'a valid capability is required');
        return { ...principal(() => true), tenant: 'acme' };
      },
    },
    admit: (admission) => {
      admitted.push(admission);
      if (admission.bodyBytes === 7) throw new RonError('quota_exhausted', 'too much', { retryAfterMs: 10 });
    },
    send: async (call) => {
      sent.push(call);
      return { output: await answer(call), body: undefined, receipt: 'proof' };
    },
    ...(inflightMax === undefined ? {} : { inflightMax }),
  });
  const call = (operation: string, incoming: Partial<Incoming> = {}) =>
    relay.dispatch({
      operation,
      input: { a: 1 },
      credential: {},
      corrId: 'corr-0001',
      remote: '192.0.2.1',
      ...incoming,
    });
  return { relay, sent, admitted, call };
}

describe('a relay', () => {
  test('passes a call on as it came, with the capability and the address of its caller', async () => {
    const { sent, admitted, call } = start();
    const credential = { token: 'mine', proof: 'p', request: 'x' };
    const incoming = { credential, idempotencyKey: 'k', tenant: 'ACME', receipt: true, timeoutMs: 900 };
    const { output, receipt } = await call('issue', incoming);
    expect({ output, receipt }).toEqual({ output: { done: true }, receipt: 'proof' });
    expect(sent[0]).toMatchObject({
      operation: 'issue',
      input: { a: 1 },
      proof: 'p',
      corrId: 'corr-0001',
      idempotencyKey: 'k',
      tenantName: 'ACME',
      receipt: true,
      remote: '192.0.2.1',
      timeoutMs: 900,
    });
    expect(new TextDecoder().decode(sent[0]!.capability)).toBe('mine');
    expect(admitted).toMatchObject([{ operation: 'issue', mutation: true, tenant: 'acme' }]);
  });

  test('gives a call the deadline of its operation, and a shorter one of its caller', async () => {
    const { sent, call } = start();
    for (const timeoutMs of [undefined, 900, 3_600_000]) await call('issue', { timeoutMs });
    expect(sent.map(({ timeoutMs }) => timeoutMs)).toEqual([30_000, 900, 30_000]);
  });

  test('sends nothing that is unknown, not authenticated or past the quota', async () => {
    const { sent, call } = start();
    await expect(call('toString')).rejects.toMatchObject({ code: 'not_found' });
    await expect(call('issue', { credential: { token: 'bad' } })).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(call('issue', { bodyBytes: 7 })).rejects.toMatchObject({ code: 'quota_exhausted' });
    expect(sent).toEqual([]);
  });

  test('has a ceiling, and drains', async () => {
    const { promise, resolve } = Promise.withResolvers<object>();
    const { relay, call } = start(() => promise, 1);
    const first = call('slow');
    await expect(call('slow')).rejects.toMatchObject({ code: 'unavailable', details: { gate: 'inflight' } });
    const drained = relay.drain();
    await expect(call('slow')).rejects.toMatchObject({ code: 'unavailable', details: { gate: 'draining' } });
    expect(relay.inflight).toBe(1);
    resolve({});
    await first;
    await drained;
    expect(relay.inflight).toBe(0);
  });

  test('tells the call behind it that its caller left', async () => {
    const { relay, sent, call } = start(
      ({ signal }) =>
        new Promise((_resolve, reject) => signal!.addEventListener('abort', () => reject(signal!.reason))),
    );
    const left = call('slow');
    await Promise.resolve();
    await Promise.resolve();
    relay.abort(new RonError('request_timeout', 'the caller left'));
    await expect(left).rejects.toMatchObject({ code: 'request_timeout' });
    expect(sent).toHaveLength(1);
  });
});
