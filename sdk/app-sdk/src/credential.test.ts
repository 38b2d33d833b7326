import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { connect } from './connect.ts';
import type { Rotation } from './credential.ts';
import { capabilityIdAt, capabilityUntil, FakePassports } from './testing/fake-passports.ts';
import { ManualPlatform, settled } from './testing/manual-platform.ts';

function setUp(options: { capability?: string; onRotated?: (rotation: Rotation) => void | Promise<void> } = {}) {
  const platform = new ManualPlatform();
  const node = new FakePassports(5_000_000_000_000);
  const rotations: Rotation[] = [];
  const client = connect({
    url: 'http://node',
    refreshToken: 'ronr_first',
    platform,
    onRotated: (rotation) => {
      rotations.push(rotation);
    },
    newTransport: (access) => node.transport(access),
    ...options,
  });
  return { platform, node, client, rotations };
}

test('fifty calls at once make one exchange, and all of them go with what it brought', async () => {
  const { client, node, rotations } = setUp();
  await Promise.all(Array.from({ length: 50 }, () => client.caps.whoami()));
  expect(node.refreshes).toBe(1);
  expect(node.served).toHaveLength(50);
  expect(rotations.map(({ refreshToken }) => refreshToken)).toEqual(['ronr_1']);
});

test('a capability is renewed before it ends, by the life that the node gave it, whatever the clock here says', async () => {
  const { client, node, platform } = setUp();
  await client.caps.whoami();
  // 900 s, less the last minute.
  await platform.advance(839_999);
  node.nowMs += 839_999;
  await client.caps.whoami();
  expect(node.refreshes).toBe(1);
  await platform.advance(1);
  node.nowMs += 1;
  await client.caps.whoami();
  expect(node.refreshes).toBe(2);
});

test('a refusal as unauthenticated renews once, and the calls beside it do not renew again', async () => {
  const { client, node } = setUp();
  await client.caps.whoami();
  node.revokeAll();
  await Promise.all(Array.from({ length: 20 }, () => client.caps.whoami()));
  expect(node.refreshes).toBe(2);
});

test('a refusal that comes late, after another call has renewed, renews nothing', async () => {
  const { client, node } = setUp();
  await client.caps.whoami();
  const gate = Promise.withResolvers<void>();
  node.before = ({ operation, corrId }) =>
    operation === 'whoami' && corrId === 'slow-call' ? gate.promise : undefined;
  const slow = client.caps.whoami({ corrId: 'slow-call' });
  await settled();
  node.revokeAll();
  await client.caps.whoami();
  node.before = undefined;
  gate.resolve();
  await slow;
  expect([node.refreshes, node.served.length]).toEqual([2, 3]);
});

test('what is refused with a fresh capability too is refused', async () => {
  const { client, node } = setUp();
  node.before = ({ operation }) => {
    if (operation === 'whoami') throw new RonError('unauthenticated', 'no');
  };
  await expect(client.caps.whoami()).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(node.refreshes).toBe(2);
  expect(node.calls.filter(({ operation }) => operation === 'whoami')).toHaveLength(2);
});

test('the new refresh token is told, and that is waited for, before anything uses it', async () => {
  const stored = Promise.withResolvers<void>();
  const { client, node } = setUp({ onRotated: () => stored.promise });
  const call = client.caps.whoami();
  await settled();
  expect(node.calls.map(({ operation }) => operation)).toEqual(['refresh']);
  stored.resolve();
  await call;
  expect(node.served).toHaveLength(1);
});

test('where it cannot be stored the call fails, nothing is lost, and the next call stores it without another exchange', async () => {
  let broken = true;
  const told: string[] = [];
  const { client, node } = setUp({
    onRotated: ({ refreshToken }) => {
      if (broken) throw new Error('the disk is full');
      told.push(refreshToken);
    },
  });
  await expect(client.caps.whoami()).rejects.toThrow('the disk is full');
  broken = false;
  await client.caps.whoami();
  expect([told, node.refreshes]).toEqual([['ronr_1'], 1]);
});

test('an exchange whose answer was lost is repeated with its idempotency key, so that no family ends', async () => {
  const { client, node, platform } = setUp();
  let lost = 0;
  const realCall = node.call.bind(node);
  node.call = async (request, access) => {
    const reply = await realCall(request, access);
    if (request.operation !== 'refresh' || lost > 0) return reply;
    lost += 1;
    throw new RonError('unavailable', 'the answer was lost');
  };
  const call = client.caps.whoami();
  await platform.advance(10_000);
  await call;
  const keys = node.calls.filter(({ operation }) => operation === 'refresh').map((each) => each.idempotencyKey);
  expect(keys).toHaveLength(2);
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).not.toContain('ronr_first');
  expect([node.familyEnded, node.refreshes]).toEqual([false, 1]);
});

test('a node that cannot renew and can serve goes on serving until the capability has ended', async () => {
  const { client, node, platform } = setUp();
  await client.caps.whoami();
  node.before = ({ operation }) => {
    if (operation === 'refresh') throw new RonError('unavailable', 'not now');
  };
  await platform.advance(850_000);
  node.nowMs += 850_000;
  const call = client.caps.whoami();
  await platform.advance(30_000);
  await call;
  expect(node.served).toHaveLength(2);
});

test('a refresh token that the node refuses is not sent again', async () => {
  const { client, node } = setUp();
  node.familyEnded = true;
  await expect(client.caps.whoami()).rejects.toMatchObject({
    code: 'unauthenticated',
    message: expect.stringMatching(/sign in again/),
  });
  await expect(client.caps.whoami()).rejects.toMatchObject({
    code: 'unauthenticated',
    message: expect.stringMatching(/sign in again/),
  });
  expect(node.calls).toHaveLength(1);
});

test('a caller that leaves while it waits leaves the exchange to the others', async () => {
  const gate = Promise.withResolvers<void>();
  const { client, node } = setUp();
  node.before = ({ operation }) => (operation === 'refresh' ? gate.promise : undefined);
  const leaving = new AbortController();
  const first = client.caps.whoami({ signal: leaving.signal });
  const second = client.caps.whoami();
  await settled();
  leaving.abort();
  await expect(first).rejects.toMatchObject({ code: 'deadline_exceeded' });
  gate.resolve();
  await second;
  expect(node.refreshes).toBe(1);
});

test('a capability that is given and good is used first', async () => {
  const expiresAt = 1_000_000 + 900_000;
  const capability = capabilityUntil(expiresAt, capabilityIdAt(expiresAt - 900_000, 99));
  const { client, node } = setUp({ capability });
  // This node did not mint it, and says so: then it is renewed.
  await client.caps.whoami();
  expect(node.calls.map(({ operation }) => operation)).toEqual(['whoami', 'refresh', 'whoami']);
});

test('a token that processes share is read before each exchange, so that none is used twice', async () => {
  let stored = 'ronr_first';
  const node = new FakePassports(5_000_000_000_000);
  const open = () =>
    connect({
      url: 'http://node',
      platform: new ManualPlatform(),
      refreshToken: () => stored,
      onRotated: ({ refreshToken }) => {
        stored = refreshToken;
      },
      newTransport: (access) => node.transport(access),
    });
  const [one, other] = [open(), open()];
  await one.caps.whoami();
  await other.caps.whoami();
  node.revokeAll();
  await one.caps.whoami();
  await other.caps.whoami();
  expect([node.refreshes, node.familyEnded, stored]).toEqual([4, false, 'ronr_4']);
});

test('a transport that brings its own capability cannot be renewed', () => {
  const transport = new FakePassports(0).transport({ capability: () => undefined });
  expect(() => connect({ url: 'http://node', transport, refreshToken: 'ronr_first' })).toThrow(/newTransport/);
});

test('in any order of calls, answers and revocations, no token is sent under two keys and no family ends', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.boolean(), { minLength: 2, maxLength: 8 }),
      async (scheduler, revokes) => {
        const { client, node } = setUp();
        const answer = scheduler.scheduleFunction(async () => undefined);
        node.before = answer;
        const calls = revokes.map((revoke) =>
          scheduler
            .schedule(Promise.resolve())
            .then(() => (revoke ? node.revokeAll() : undefined))
            .then(() => client.caps.whoami())
            // Revoked twice while it was on its way: refused, as it should be.
            .catch((error) => expect(error.code).toBe('unauthenticated')),
        );
        await scheduler.waitFor(Promise.all(calls));
        expect(node.familyEnded).toBe(false);
        const keys = new Map<unknown, Set<unknown>>();
        for (const { operation, input, idempotencyKey } of node.calls) {
          if (operation !== 'refresh') continue;
          const token = input['refresh_token'];
          keys.set(token, (keys.get(token) ?? new Set()).add(idempotencyKey));
        }
        for (const seen of keys.values()) expect(seen.size).toBe(1);
      },
    ),
    { numRuns: 50 },
  );
});
