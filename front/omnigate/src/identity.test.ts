import { createSimEnv } from '@ron/kernel/sim';
import { describe, expect, test } from 'vitest';
import { viewOf } from './fixtures/gateways.ts';
import { askingMax, TenantIdentity, unknownLane } from './identity.ts';

function start(entriesMax = 100) {
  const { clock, work, scheduler } = createSimEnv({ seed: 1 });
  const asked: { token: string; lane: string }[] = [];
  let answer = Promise.resolve();
  let fails = false;
  let refused = '';
  const identity = new TenantIdentity({
    clock,
    work,
    keepMs: 30_000,
    entriesMax,
    async whose(token, { lane }) {
      const text = typeof token === 'string' ? token : new TextDecoder().decode(token);
      asked.push({ token: text, lane });
      await answer;
      if (fails) throw new Error('nobody could be asked');
      return text.startsWith('bad') || text === refused ? undefined : viewOf(text);
    },
  });
  const laneOf = async (token: string | undefined, proof?: string) => {
    const credential = { ...(token === undefined ? {} : { token }), ...(proof === undefined ? {} : { proof }) };
    return (await identity.callerOf(credential, '192.0.2.1')).lane;
  };
  const hold = () => {
    const held = Promise.withResolvers<void>();
    answer = held.promise;
    return held.resolve;
  };
  const fail = (on: boolean) => {
    fails = on;
  };
  const refuse = (token: string) => {
    refused = token;
  };
  return { identity, laneOf, asked, hold, scheduler, fail, refuse };
}

describe('whose a call is', () => {
  test('is asked once for a token, whoever is asking meanwhile', async () => {
    const { laneOf, asked, hold } = start();
    const release = hold();
    const lanes = Promise.all([laneOf('acme'), laneOf('acme'), laneOf('acme')]);
    release();
    expect(await lanes).toEqual(['tenant acme', 'tenant acme', 'tenant acme']);
    expect(await laneOf('acme')).toBe('tenant acme');
    expect(asked).toEqual([{ token: 'acme', lane: unknownLane }]);
  });

  test('is asked again after 30 s, and before that in the lane of the tenant while the token is used', async () => {
    const { laneOf, asked, scheduler } = start();
    await laneOf('acme');
    await scheduler.runFor(14_999);
    await laneOf('acme');
    expect(asked).toHaveLength(1);
    await scheduler.runFor(1);
    await laneOf('acme');
    expect(asked[1]).toEqual({ token: 'acme', lane: 'tenant acme' });
    await scheduler.runFor(30_000);
    await laneOf('acme');
    expect(asked[2]).toEqual({ token: 'acme', lane: unknownLane });
  });

  test('of a token that belongs to no tenant is its subject', async () => {
    expect(await start().laneOf('root/admin')).toBe('subject of-root');
  });

  test('nobody and refused tokens share one lane, and a refusal is remembered', async () => {
    const { laneOf, asked } = start();
    expect(await laneOf(undefined)).toBe(unknownLane);
    expect(await laneOf('bad token')).toBe(unknownLane);
    expect(await laneOf('bad token')).toBe(unknownLane);
    expect(asked).toHaveLength(1);
  });

  test('a token with a proof is never asked about, until an answer to its holder tells', async () => {
    const { identity, laneOf, asked } = start();
    expect(await laneOf('bound', 'proof 1')).toBe(unknownLane);
    identity.learn('bound', viewOf('bound'));
    expect(await laneOf('bound', 'proof 2')).toBe('tenant bound');
    expect(asked).toEqual([]);
  });

  test('when nobody can be asked the call goes on as a stranger, and the next asks again', async () => {
    const { laneOf, asked, fail } = start();
    fail(true);
    expect(await laneOf('acme')).toBe(unknownLane);
    fail(false);
    expect(await laneOf('acme')).toBe('tenant acme');
    expect(asked).toHaveLength(2);
  });

  test.each([-1, 0, 1])('questions on their way are bounded: %i', async (more) => {
    const { identity, laneOf, asked, hold } = start();
    const release = hold();
    const lanes = Array.from({ length: askingMax + more }, (_, index) => laneOf(`t${index}`));
    expect(asked).toHaveLength(Math.min(askingMax, askingMax + more));
    expect(identity.asking).toBe(asked.length);
    release();
    const strangers = (await Promise.all(lanes)).filter((lane) => lane === unknownLane);
    expect(strangers).toHaveLength(Math.max(0, more));
  });

  test.each([-1, 0, 1])('remembered tokens are bounded: %i', async (more) => {
    const { identity, laneOf } = start(10);
    for (let index = 0; index < 10 + more; index += 1) await laneOf(`t${index}`);
    expect(identity.size).toBe(Math.min(10, 10 + more));
  });

  test('tokens that are made up push out each other, and nobody who is known', async () => {
    const { identity, laneOf, asked } = start(1_000);
    await laneOf('acme');
    for (let index = 0; index < 1_000; index += 1) await laneOf(`bad ${index}`);
    expect(asked).toHaveLength(1_001);
    expect(identity.size).toBe(1 + 125);
    expect(await laneOf('acme')).toBe('tenant acme');
    expect(asked).toHaveLength(1_001);
  });

  test.each([-1, 0, 1])('remembered refusals are bounded, at 16 at least: %i', async (more) => {
    const { identity, laneOf } = start(10);
    for (let index = 0; index < 16 + more; index += 1) await laneOf(`bad ${index}`);
    expect(identity.size).toBe(Math.min(16, 16 + more));
  });

  test('a token that is refused when it is asked about again is a stranger’s from then on', async () => {
    const { laneOf, refuse, scheduler } = start();
    expect(await laneOf('acme')).toBe('tenant acme');
    refuse('acme');
    await scheduler.runFor(15_000);
    expect(await laneOf('acme')).toBe('tenant acme');
    await scheduler.runFor(0);
    expect(await laneOf('acme')).toBe(unknownLane);
  });

  test('strangers get lines by their address', () => {
    const { identity } = start();
    const lines = new Set<string>();
    for (let host = 0; host < 256; host += 1) {
      const caller = identity.callerOf({}, `192.0.2.${host}`);
      if (!(caller instanceof Promise)) lines.add(caller.line);
    }
    expect(lines.size).toBeGreaterThan(32);
    expect(lines.size).toBeLessThanOrEqual(64);
  });
});
