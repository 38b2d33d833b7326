import { createSimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRamMailboxes } from '../ram/ram-mailboxes.ts';
import { HandConfig } from '../test-bed.ts';
import type { Position } from './engine.ts';

const key = { tenant: 't', box: 'a' };
const id = (number: number) => String(number).padStart(26, '0');

function start() {
  const env = createSimEnv({ seed: 1 });
  const config = new HandConfig({ attempts_max: 1 });
  const mailboxes = createRamMailboxes({ env, config: () => config.current(), bytesMax: 1e9 });
  let sent = 0;
  return {
    env,
    mailboxes,
    async send(): Promise<string> {
      sent += 1;
      const content = { body: { kind: 'text' as const, text: id(sent) }, headers: undefined };
      const sizes = { sizeBytes: 26, jsonBytes: 28, sentWallMs: 0 };
      const fields = {
        key: undefined,
        delayMs: 0,
        ttlMs: undefined,
        deadOnExpiry: false,
        group: undefined,
        priority: 0,
      };
      await mailboxes.execute({ op: 'send', ...key, id: id(sent), content, ...sizes, ...fields });
      return id(sent);
    },
    remove: (message: string) => mailboxes.execute({ op: 'remove', ...key, id: message }),
    /** The oldest becomes a dead letter. */
    async kill(): Promise<string | undefined> {
      const [message] = await mailboxes.receive({
        op: 'receive',
        ...key,
        max: 1,
        bytesMax: 1,
        visibilityMs: 1e6,
        nonce: 1,
      });
      if (message === undefined) return undefined;
      await mailboxes.execute({ op: 'nack', ...key, leases: [message], delayMs: 0, reason: undefined });
      return message.id;
    },
  };
}

test('a view finds its place again, whatever is gone by then', async () => {
  const shape = fc.record({
    count: fc.integer({ min: 1, max: 30 }),
    gone: fc.array(fc.nat(29), { maxLength: 30 }),
    at: fc.nat(30),
    limit: fc.integer({ min: 1, max: 9 }),
    withId: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ count, gone, at, limit, withId }) => {
      const bed = start();
      let { next } = await bed.mailboxes.peek(key, undefined, 0);
      const sent: string[] = [];
      for (let number = 0; number < count; number += 1) sent.push(await bed.send());
      const places: Position[] = [next!];
      while (places.length <= count) {
        ({ next } = await bed.mailboxes.peek(key, places.at(-1), 1));
        places.push(next!);
      }
      for (const index of gone) if (index < count) await bed.remove(sent[index]!);
      const start_ = Math.min(at, count);
      const place = withId ? places[start_]! : { order: places[start_]!.order, id: '' };
      const expected = sent.filter((_id, index) => index >= start_ && !gone.includes(index));
      const seen: string[] = [];
      let after: Position = place;
      for (;;) {
        const page = await bed.mailboxes.peek(key, after, limit);
        if (page.items.length === 0) break;
        seen.push(...page.items.map((message) => message.id));
        after = page.next!;
      }
      expect(seen).toEqual(expected);
    }),
    { numRuns: 100 },
  );
});

test('a list of dead letters misses none, though the wall clock jumps and its place is gone', async () => {
  const { env, mailboxes, send, kill, remove } = start();
  for (let count = 0; count < 4; count += 1) await send();
  const dead: string[] = [];
  for (const jumpMs of [0, 0, -86_400_000, 172_800_000]) {
    env.clock.jumpWall(jumpMs);
    await env.scheduler.runFor(5);
    dead.push((await kill())!);
  }
  const { items, next } = (await mailboxes.deadLetters(key, undefined, 2))!;
  expect(items.map((letter) => letter.id)).toEqual(dead.slice(0, 2));
  await remove(dead[1]!);
  const rest = (await mailboxes.deadLetters(key, next, 10))!;
  expect(rest.items.map((letter) => letter.id)).toEqual(dead.slice(2));
  expect(rest.next).toBeUndefined();
});
