import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Box } from './box.ts';
import { DeadList, diedMs } from './dead-list.ts';
import { Message, type Origin } from './message.ts';

const died = (atMs: number, deadRetentionMs: number) => {
  const message = new Message({ deadRetentionMs } as Origin, {} as Box, undefined, 0, 0);
  message.dueMs = atMs + deadRetentionMs;
  return message;
};

test('deaths told in any order stand in that of their times, whatever leaves meanwhile', () => {
  const burial = fc.record({ atMs: fc.nat({ max: 9 }), retentionMs: fc.nat({ max: 9 }), leaves: fc.option(fc.nat()) });
  fc.assert(
    fc.property(fc.array(burial, { maxLength: 40 }), (burials) => {
      const list = new DeadList();
      let expected: Message[] = [];
      for (const { atMs, retentionMs, leaves } of burials) {
        const message = died(atMs, retentionMs);
        list.bury(message);
        expected = [...expected, message].sort((one, other) => diedMs(one) - diedMs(other));
        if (leaves !== null) list.remove(expected.splice(leaves % expected.length, 1)[0]!);
        const seen: Message[] = [];
        for (let each = list.first; each !== undefined; each = each.boxNext) seen.push(each);
        expect(seen.map((each) => expected.indexOf(each))).toEqual(expected.map((_, index) => index));
      }
    }),
    { numRuns: 300 },
  );
});
