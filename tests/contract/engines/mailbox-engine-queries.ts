import { expect, test } from 'vitest';
import { MailboxBench, type MailboxHarness, messageId } from './mailbox-calls.ts';

const key = { tenant: 't', box: 'b' };

/** What can be asked without changing anything, and who is woken. */
export function mailboxQueries(harness: MailboxHarness): void {
  test.each([1, 2, 3, 99])('dead letters come oldest death first, in pages of %i, each once', async (limit) => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 1 });
    expect(await bench.dead()).toBeUndefined();
    for (let count = 1; count <= 5; count += 1) await bench.send();
    const leases = await bench.receive();
    for (const index of [3, 0, 4, 1, 2]) {
      await bench.pass(10);
      await bench.end('nack', [leases[index]]);
    }
    const seen: string[] = [];
    let position: { readonly order: number; readonly id: string } | undefined;
    do {
      const page = (await bench.settle(bench.engine.deadLetters(key, position, limit)))!;
      expect(page.items.length).toBeLessThanOrEqual(limit);
      seen.push(...page.items.map(({ id }) => id));
      position = page.next;
    } while (position !== undefined);
    expect(seen).toEqual([4, 1, 5, 2, 3].map(messageId));
  });

  test('a page of dead letters that follows one which has died anew goes on where that one stood', async () => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 1 });
    const ids: string[] = [];
    for (let count = 0; count < 6; count += 1) {
      ids.push(await bench.send());
      await bench.exhaust(ids.at(-1)!);
      await bench.pass(10);
    }
    const first = await bench.settle(bench.engine.deadLetters(key, undefined, 2));
    expect(first!.items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    await bench.move('redrive', [ids[1]!]);
    await bench.exhaust(ids[1]!);
    const second = await bench.settle(bench.engine.deadLetters(key, first!.next, 10));
    expect(second!.items.map(({ id }) => id)).toEqual([...ids.slice(2), ids[1]]);
  });

  test('peek: what is there and alive, in the order of sending, and where to go on', async () => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 1 });
    const peek = async (after: { readonly order: number; readonly id: string } | undefined, limit = 10) => {
      const { items, next } = await bench.settle(bench.engine.peek(key, after, limit));
      return { ids: items.map(({ id }) => id), next: next! };
    };
    const start = await peek(undefined);
    expect(start.ids).toEqual([]);
    const dead = await bench.send();
    await bench.exhaust(dead);
    const ids = [
      await bench.send({ delayMs: 100 }),
      await bench.send({ priority: 9 }),
      await bench.send({ group: 'g' }),
    ];
    await bench.one();
    expect((await peek(start.next)).ids).toEqual(ids);
    const first = await peek(start.next, 2);
    expect(first.ids).toEqual(ids.slice(0, 2));
    await bench.remove(ids[1]!);
    const rest = await peek(first.next);
    expect(rest.ids).toEqual(ids.slice(2));
    expect((await peek(rest.next)).ids).toEqual([]);
    await bench.move('redrive');
    expect((await peek(rest.next)).ids).toEqual([dead]);
    expect((await peek(undefined)).ids).toEqual([]);
  });

  test('stats, boxes and totals count what is there', async () => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 1 });
    expect(await bench.stats()).toBeUndefined();
    expect(await bench.engine.boxes('t', undefined, 9)).toEqual([]);
    await bench.exhaust(await bench.send({ key: 'k' }));
    await bench.sending({ key: 'k' });
    await bench.pass(100);
    await bench.send();
    await bench.pass(1_000);
    await bench.send({ delayMs: 5_000, sizeBytes: 7 });
    await bench.one();
    await bench.send({ group: 'g' });
    await bench.send({ group: 'g' });
    const counts = { ready: 2, delayed: 1, inFlight: 1, dead: 1 };
    const since = { sent: 5, duplicates: 1, delivered: 2, redelivered: 0, acked: 0, expired: 0, deleted: 0 };
    const stats = { box: 'b', ...counts, bytes: 407, oldestAgeMs: 1_000, ...since };
    expect(await bench.stats()).toEqual(stats);
    for (const box of ['c', 'a', 'B']) await bench.send({ box });
    await bench.send({ tenant: 'u', box: 'z' });
    const names = async (after: string | undefined, limit: number) =>
      (await bench.engine.boxes('t', after, limit)).map(({ box }) => box);
    expect(await names(undefined, 9)).toEqual(['B', 'a', 'b', 'c']);
    expect(await names('a', 1)).toEqual(['b']);
    expect(await names('c', 9)).toEqual([]);
    expect(await bench.engine.boxes('t', 'a', 1)).toEqual([stats]);
    expect(await bench.engine.totals()).toEqual({ boxes: 5, ...counts, ready: 6, bytes: 807, keys: 1 });
  });

  test('roots: every address that a message stands for, until it is gone', async () => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 1 });
    const address = (digit: number) => `b3:${String(digit).repeat(64)}`;
    for (let digit = 1; digit <= 4; digit += 1) {
      await bench.send({ content: { body: { kind: 'address', address: address(digit) }, headers: undefined } });
      await bench.send();
    }
    await bench.exhaust(messageId(1));
    await bench.remove(messageId(3));
    if (harness.durable) await bench.restart('kill');
    const held = async (limit: number) => {
      const found: string[] = [];
      let position: { readonly order: number; readonly id: string } | undefined;
      do {
        const page = await bench.engine.roots(position, limit);
        found.push(...page.items.map((item) => `${item.tenant} ${item.box} ${item.id} ${item.address}`));
        position = page.next;
      } while (position !== undefined);
      return found.sort();
    };
    const expected = [
      [1, 1],
      [5, 3],
      [7, 4],
    ].map(([id, digit]) => `t b ${messageId(id!)} ${address(digit!)}`);
    for (const limit of [1, 2, 9]) expect(await held(limit)).toEqual(expected);
  });

  test('watchers: woken once, when there is something for them', async () => {
    await using bench = await MailboxBench.open(harness);
    const woken: string[] = [];
    const watch = (name: string, peek = false) => bench.engine.watch(key, () => woken.push(name), { peek });
    watch('first');
    watch('second');
    watch('peek', true);
    const left = watch('left');
    left[Symbol.dispose]();
    await bench.send({ box: 'c' });
    await bench.pass(10);
    expect(woken).toEqual([]);
    await bench.send({ delayMs: 1_000 });
    await bench.pass(999);
    expect(woken).toEqual(['peek']);
    await bench.pass(1);
    expect(woken).toEqual(['peek', 'first']);
    await bench.send();
    await bench.pass(1);
    expect(woken).toEqual(['peek', 'first', 'second']);
    watch('at once');
    await bench.pass(1);
    expect(woken.at(-1)).toBe('at once');
    const leases = await bench.receive({ visibilityMs: 1_000 });
    expect(leases).toHaveLength(2);
    watch('after the lease');
    await bench.pass(999);
    expect(woken.at(-1)).toBe('at once');
    await bench.pass(401);
    expect(woken.at(-1)).toBe('after the lease');
    expect(woken).toHaveLength(5);
  });
}
