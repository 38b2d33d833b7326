import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AddressedMessages } from './addressed.ts';
import { Box } from './box.ts';
import { Message } from './message.ts';
import { Tenant } from './tenant.ts';

const box = new Box(new Tenant('t'), 'b');

function messageOf(count: number): Message {
  const fixed = {
    sentWallMs: 1,
    sentMs: 0,
    sizeBytes: 1,
    jsonBytes: 3,
    group: undefined,
    priority: 0,
    deadOnExpiry: false,
  };
  const origin = {
    ...fixed,
    id: `m${count}`,
    address: `b3:${count}`,
    attemptsMax: 5,
    deadRetentionMs: 1,
    retentionMs: 1,
  };
  return new Message(origin, box, undefined, count, 9);
}

it('a walk in pages meets all that were there from beginning to end, each once, in order', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 7 }), fc.array(fc.nat({ max: 3 }), { maxLength: 40 }), (limit, changes) => {
      const addressed = new AddressedMessages();
      const all = Array.from({ length: 30 }, (_, count) => messageOf(count));
      for (const message of all) addressed.add(message);
      const seen: string[] = [];
      let after: { readonly order: number; readonly id: string } | undefined;
      for (const change of changes) {
        const page = addressed.page(after, limit);
        seen.push(...page.items.map(({ id }) => id));
        after = page.next;
        if (after === undefined) break;
        const message = all[change * 9]!;
        if (message.state !== 'gone') {
          message.state = 'gone';
          addressed.remove();
        }
      }
      while (after !== undefined) {
        const page = addressed.page(after, limit);
        seen.push(...page.items.map(({ id }) => id));
        after = page.next;
      }
      expect(new Set(seen).size).toBe(seen.length);
      if (changes.length > 0) {
        for (const { id, state } of all) if (state !== 'gone') expect(seen).toContain(id);
        const numbers = seen.map((id) => Number(id.slice(1)));
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      }
    }),
  );
});

it('what is gone takes no memory for long, and a walk goes on where it was', () => {
  const addressed = new AddressedMessages();
  const all = Array.from({ length: 5_000 }, (_, count) => messageOf(count));
  for (const message of all) addressed.add(message);
  const { next } = addressed.page(undefined, 4_000);
  for (const message of all.slice(0, 4_500)) {
    message.state = 'gone';
    addressed.remove();
  }
  expect(addressed.size).toBe(500);
  expect(addressed.page(next, 1).items.map(({ id }) => id)).toEqual(['m4500']);
});
