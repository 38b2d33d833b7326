import type { Operation } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { Type } from 'typebox';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { auditNotes } from './testing/audit-notes.ts';
import { type AnyHandler, startPipeline } from './testing/pipeline.ts';
import { loadCompiler } from './validators.ts';

// Not on virtual time.
beforeAll(loadCompiler);

const input = Type.Object({ name: Type.Optional(Type.String()), secret: Type.Optional(Type.String()) });
const output = Type.Object({ version: Type.Integer(), token: Type.String() });
const shape: Partial<Operation> = {
  input,
  output,
  mutation: true,
  scopes: [{ method: 'admin', resource: 'admin/{name}' }],
};
const privileged = { ...shape, audit: { level: 'privileged', input: ['name'], output: ['version'] } } as const;
const event = { ...shape, audit: { level: 'event', input: ['name'], output: ['version'] } } as const;
const answer = { version: 7, token: 'canary-token' };
const given = { name: 'x', secret: 'canary-secret' };

function start(operation: Partial<Operation>, handler: AnyHandler = () => answer, options = {}) {
  const notes = auditNotes();
  const pipeline = startPipeline({ act: { ...operation, handler } }, { audit: notes.stage, ...options });
  const act = (incoming = {}) => pipeline.run(pipeline.call('act', { input: given, ...incoming }));
  return { ...notes, ...pipeline, act };
}

describe('a privileged call', () => {
  test('has its intent in the log before it is done and its outcome before it is answered', async () => {
    const order: string[] = [];
    const { recorded, offered, act } = start(privileged, () => {
      order.push(`done after ${recorded.length}`);
      return answer;
    });
    expect((await act()).output).toEqual(answer);
    expect(order).toEqual(['done after 1']);
    const who = { corr_id: 'corr-id-1', subject: 'tester', capability_id: 'test', tenant: '', resources: ['admin/x'] };
    expect(recorded).toEqual([
      { ...who, op: 'probe.act', outcome: 'intent', fields: { name: 'x' } },
      { ...who, op: 'probe.act', outcome: 'ok', fields: { name: 'x', version: '7' } },
    ]);
    expect(offered).toEqual([]);
    expect(JSON.stringify(recorded)).not.toContain('canary');
  });

  test('is not done when the log cannot be written', async () => {
    const handler = vi.fn(() => answer);
    const { state, act } = start(privileged, handler);
    state.failing = () => true;
    await expect(act()).rejects.toMatchObject({ code: 'unavailable' });
    expect(handler).not.toHaveBeenCalled();
  });

  test('that was done but not written down is not answered as done', async () => {
    const { state, act } = start(privileged);
    state.failing = ({ outcome }) => outcome === 'ok';
    await expect(act()).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('that its service refuses leaves the code and the reason, which must be a word', async () => {
    for (const [reason, kept] of [
      ['rollback', 'rollback'],
      ['token ronr_abc', undefined],
      [7, undefined],
    ] as const) {
      const { recorded, act } = start(privileged, () => {
        throw new RonError('conflict', 'no', { details: { reason } });
      });
      await expect(act()).rejects.toMatchObject({ code: 'conflict' });
      expect(recorded[1]).toMatchObject({ outcome: 'conflict', fields: { name: 'x' } });
      expect(recorded[1]?.reason).toBe(kept);
    }
  });

  test('that a gate refuses leaves who asked for what', async () => {
    const { offered, recorded, act } = start(privileged, () => answer, { as: { allows: () => false } });
    await expect(act()).rejects.toMatchObject({ code: 'forbidden' });
    expect(recorded).toEqual([]);
    expect(offered).toMatchObject([
      { op: 'probe.act', outcome: 'forbidden', subject: 'tester', resources: ['admin/x'] },
    ]);
  });

  test('that does not fit its schema leaves nothing of what it said', async () => {
    const { offered, recorded, act } = start(privileged);
    for (const name of [['canary-secret'], { a: 'canary-secret' }]) {
      await expect(act({ input: { name } })).rejects.toMatchObject({ code: 'bad_request' });
    }
    expect(recorded).toEqual([]);
    expect(offered).toMatchObject(Array(2).fill({ op: 'probe.act', outcome: 'bad_request', fields: {} }));
    expect(JSON.stringify(offered)).not.toContain('canary');
  });

  test('cannot be used to fill the log by being refused: what is too much is counted, and the count is kept', async () => {
    const { offered, env, run, act } = start(privileged, () => answer, { as: { allows: () => false } });
    for (let turn = 0; turn < 1_000; turn += 1) await act().catch(() => undefined);
    expect(offered).toHaveLength(200);
    await run(new Promise<void>((resolve) => void env.clock.after(400, resolve)));
    await act().catch(() => undefined);
    expect(offered.slice(200)).toMatchObject([
      { op: 'audit.suppressed', subject: 'node', fields: { service: 'probe', refusals: '800' } },
      { op: 'probe.act', outcome: 'forbidden' },
    ]);
  });

  test('of a stranger hides no refusal of who has a capability', async () => {
    const who = { anonymous: true, as: 'stranger' };
    const authenticator = {
      authenticate: () => ({ ...principalOf(), subject: who.as, anonymous: who.anonymous, allows: () => false }),
    };
    const { offered, act, run, env } = start(privileged, () => answer, { authenticator });
    for (let turn = 0; turn < 300; turn += 1) await act().catch(() => undefined);
    for (const [ms, kept] of [
      [4_900, 200],
      [200, 202],
    ] as const) {
      await run(new Promise<void>((resolve) => void env.clock.after(ms, resolve)));
      await act().catch(() => undefined);
      expect(offered).toHaveLength(kept);
    }
    Object.assign(who, { anonymous: false, as: 'mallory' });
    await expect(act()).rejects.toMatchObject({ code: 'forbidden' });
    expect(offered.at(-1)).toMatchObject({ outcome: 'forbidden', subject: 'mallory' });
  });

  test('that needs no right has no intent and no unlimited failures, whatever capability comes with it', async () => {
    const { recorded, offered, act } = start({ ...privileged, scopes: [] }, () => {
      throw new RonError('unauthenticated', 'no');
    });
    for (let turn = 0; turn < 300; turn += 1) await act().catch(() => undefined);
    expect([recorded.length, offered.length]).toEqual([0, 200]);
  });

  test('that is answered with the outcome of an earlier one says so', async () => {
    const { recorded, act } = start(privileged);
    for (const idempotencyKey of ['k', 'k', 'other']) await act({ idempotencyKey });
    expect(recorded.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['intent', undefined],
      ['ok', undefined],
      ['intent', undefined],
      ['ok', 'replayed'],
      ['intent', undefined],
      ['ok', undefined],
    ]);
  });

  test('that was written down is answered, also when its receipt cannot be made', async () => {
    const { recorded, stage, act } = start(privileged);
    const record = stage.record.bind(stage);
    stage.record = async (entry) => ({
      ...(await record(entry)),
      proof: () => Promise.reject(new RonError('unavailable', 'no checkpoint')),
    });
    expect(await act({ receipt: true })).toMatchObject({ output: answer });
    expect(recorded.at(-1)).toMatchObject({ outcome: 'ok' });
  });

  test('of a stranger is kept when it succeeds; its failures are limited like refusals, and nothing is kept before', async () => {
    const outcomes: (() => unknown)[] = [() => answer];
    const { recorded, offered, state, act } = start(privileged, () => outcomes[0]!(), { as: { anonymous: true } });
    await act();
    expect(recorded).toMatchObject([{ outcome: 'ok' }]);
    outcomes[0] = () => {
      throw new RonError('unauthenticated', 'no');
    };
    for (let turn = 0; turn < 300; turn += 1) await act().catch(() => undefined);
    expect([recorded.length, offered.length]).toEqual([1, 200]);
    state.full = true;
    const handler = vi.fn(() => answer);
    outcomes[0] = handler;
    await expect(act()).rejects.toMatchObject({ code: 'unavailable' });
    expect(handler).not.toHaveBeenCalled();
  });

  test('whose caller has been told that it is late is not begun', async () => {
    const handler = vi.fn(() => answer);
    const { stage, run, call, env } = start(privileged, handler);
    const record = stage.record.bind(stage);
    stage.record = async (entry) => {
      await new Promise<void>((resolve) => void env.clock.after(60_000, resolve));
      return record(entry);
    };
    await expect(run(call('act', { input: given }))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await run(new Promise<void>((resolve) => void env.clock.after(120_000, resolve)));
    expect(handler).not.toHaveBeenCalled();
  });
});

describe('an event', () => {
  test('is offered once it is done, and not when it is refused', async () => {
    const { recorded, offered, act } = start(event);
    await act();
    expect(recorded).toEqual([]);
    expect(offered).toMatchObject([{ outcome: 'ok', fields: { name: 'x', version: '7' } }]);
    const refused = start(event, () => answer, { as: { allows: () => false } });
    await refused.act().catch(() => undefined);
    expect(refused.offered).toEqual([]);
  });

  test('comes with its proof when its caller asked for it', async () => {
    const { recorded, offered, act } = start(event);
    expect((await act()).receipt).toBeUndefined();
    expect((await act({ receipt: true })).receipt).toBe('proof-of-0');
    expect([recorded.length, offered.length]).toEqual([1, 1]);
  });

  test('is answered without its proof when the log fails: it is done, and left to the log to count', async () => {
    const { state, offered, act } = start(event);
    state.failing = () => true;
    expect(await act({ receipt: true })).toMatchObject({ output: answer });
    expect((await act({ receipt: true })).receipt).toBeUndefined();
    expect(offered).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
  });
});

test('what a service of the node does on behalf of a call is part of that call', async () => {
  const { recorded, offered, act } = start(privileged);
  await act({ credential: { principal: { ...principalOf(), subject: 'service:gateway' } } });
  expect([recorded, offered]).toEqual([[], []]);
});

test('long fields come whole: the log cuts them, and says that it did', async () => {
  const { recorded, act } = start(privileged);
  await act({ input: { name: 'é'.repeat(513) } });
  expect(recorded[0]?.fields['name']).toHaveLength(513);
  expect(recorded[0]?.resources[0]).toHaveLength(519);
});

test('a token in the place of something else does not get into the log', async () => {
  const { recorded, act } = start(privileged);
  for (const prefix of ['ron1_', 'ron1b_', 'ronr_', 'ronb_']) {
    await act({ input: { name: `x ${prefix}canary-token-0123456789` } });
    expect(recorded.at(-1)?.fields['name']).toBe(`x ${prefix}[redacted]`);
  }
  expect(JSON.stringify(recorded)).not.toContain('canary');
});

test('a reason that is for the log alone is kept, and always', async () => {
  const refuse = (auditReason?: string) => () => {
    throw new RonError('unauthenticated', 'no', auditReason === undefined ? {} : { auditReason });
  };
  const handlers = [refuse()];
  const { offered, act } = start(privileged, () => handlers[0]!(), { as: { anonymous: true } });
  for (let turn = 0; turn < 300; turn += 1) await act().catch(() => undefined);
  const before = offered.length;
  handlers[0] = refuse('reuse');
  const error = await act().catch((thrown: RonError) => thrown);
  expect(JSON.stringify((error as RonError).toEnvelope('corr-id-1'))).not.toContain('reuse');
  expect(offered.slice(before).at(-1)).toMatchObject({ outcome: 'unauthenticated', reason: 'reuse' });
});

test('refusals that were only counted are in the log when the service ends', async () => {
  const { offered, run, dispatcher, act } = start(privileged, () => answer, { as: { allows: () => false } });
  for (let turn = 0; turn < 230; turn += 1) await act().catch(() => undefined);
  await run(dispatcher.drain());
  const [last] = offered.slice(-1);
  expect(last).toMatchObject({ op: 'audit.suppressed', fields: { service: 'probe', refusals: '30' } });
});

test('a rule that names a field which there is not does not start', () => {
  const rule = { ...shape, audit: { level: 'event', output: ['versoin'] } } as const;
  expect(() => start(rule)).toThrow('versoin');
});

test('a rule of an operation that answers with a stream does not start', () => {
  expect(() => start({ ...event, body: 'out' })).toThrow('a stream');
});

describe('calls from outside', () => {
  const audit = undefined;
  test('are asked of the policy with what they want, after the capability', async () => {
    const decide = vi.fn(({ resource }: { resource: string }) => {
      if (resource === 'admin/x') throw new RonError('forbidden', 'the policy says no');
    });
    const { act } = start(shape, () => answer, { policy: { decide }, audit });
    await expect(act()).rejects.toMatchObject({ code: 'forbidden', message: 'the policy says no' });
    expect(decide).toHaveBeenCalledWith(expect.objectContaining({ op: 'probe.act', method: 'admin', tenant: '' }));
    await act({ input: { name: 'y' } });
    await act({ credential: { principal: principalOf() } });
    expect(decide).toHaveBeenCalledTimes(2);
  });

  test('change nothing while revocations have not been heard', async () => {
    const authenticator = { authenticate: principalOf, mutationRefusal: () => 'revocations were last heard 31 s ago' };
    const changing = start(shape, () => answer, { authenticator, audit });
    await expect(changing.act()).rejects.toMatchObject({
      code: 'unavailable',
      message: 'revocations were last heard 31 s ago',
      details: { gate: 'revocations' },
    });
    const { mutation: _, ...reading } = shape;
    expect((await start(reading, () => answer, { authenticator, audit }).act()).output).toEqual(answer);
  });

  test('count against the quota that the profile gives to a service without its own', async () => {
    const admit = vi.fn(() => ({ limit: 9, remaining: 8, windowMs: 1 }));
    const { act } = start(shape, () => answer, { admit, audit });
    expect((await act()).quota).toMatchObject({ limit: 9 });
    await act({ credential: { principal: principalOf() } });
    expect(admit).toHaveBeenCalledTimes(1);
  });
});

function principalOf() {
  return { subject: 'tester', capabilityId: 'cap-1', tenant: '', limits: {}, allows: () => true };
}
