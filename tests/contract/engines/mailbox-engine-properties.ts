import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MailboxBench, type MailboxHarness, messageId, sendCommand } from './mailbox-calls.ts';
import { checkHistory, type Moment } from './mailbox-history.ts';
import { type Step, step } from './mailbox-steps.ts';
import { MailboxTrial } from './mailbox-trial.ts';

const send = (priority: 3 | 7 = 3): Step => {
  const plain = { key: undefined, delayMs: 0, ttlMs: undefined, deadOnExpiry: false, group: undefined } as const;
  return { kind: 'send', box: 'b', digest: 'same', ...plain, priority };
};
const receive = (max: number): Step => ({ kind: 'receive', box: 'b', max, bytesMax: 9_999, visibilityMs: 1_000 });
const nack: Step = { kind: 'settle', box: 'b', op: 'nack', leases: [0, 1], delayMs: 0, visibilityMs: 250 };
const move = (kind: 'redrive' | 'purge' | 'quarantine', which?: number): Step => ({ kind, box: 'b', which });
const restart: Step = { kind: 'restart', how: 'kill', downMs: 0 };

/** Chance rarely comes to these: who died together has no order, and only some of them are taken. */
const tied = {
  'some are purged': [send(), send(), send(), ...[2, 1, 0].map((which) => move('quarantine', which)), move('purge')],
  'all are redriven': [send(7), send(3), ...new Array(3).fill([receive(2), nack]).flat(), move('redrive')],
  'some are purged after a restart': [
    ...[send(), send(), send(), ...[2, 1, 0].map((which) => move('quarantine', which))],
    ...[restart, move('purge')],
  ],
} satisfies Record<string, readonly Step[]>;

/** Nor to these: after a restart six messages are ready in an order that is not known. */
const crowd = [...new Array<Step>(6).fill(send()), restart, receive(4), receive(4)];

/** Random commands beside the model: one after the other, with power cuts, and by clients at once. */
export function mailboxProperties(harness: MailboxHarness): void {
  test('does what the model does, whatever the commands', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        await using trial = await MailboxTrial.open(harness);
        for (const one of steps) await trial.run([one]);
      }),
      // A database answers a thousand times slower than memory.
      { numRuns: harness.outside === undefined ? 120 : 30 },
    );
  });

  test.each(Object.entries(tied))('and when several die in one millisecond: %s', async (_, steps) => {
    await using trial = await MailboxTrial.open(harness);
    for (const one of steps) await trial.run([one]);
  });

  if (harness.durable) {
    test('a power cut explains itself, though many could have been leased in any order', async () => {
      const operations = await runCut(harness, crowd, 3, Number.POSITIVE_INFINITY);
      for (let at = 1; at <= operations; at += 1) await runCut(harness, crowd, 3, at);
    });

    test('a power cut at any disk operation takes nothing that was answered', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 5, maxLength: 12 }),
          fc.integer({ min: 1, max: 3 }),
          async (steps, size) => {
            const operations = await runCut(harness, steps, size, Number.POSITIVE_INFINITY);
            for (let at = 1; at <= operations; at += 1) await runCut(harness, steps, size, at);
          },
        ),
        { numRuns: 6 },
      );
    });

    test('nor does one at a random operation of a longer history', async () => {
      const cutAt = fc.integer({ min: 1, max: 120 });
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 20, maxLength: 60 }),
          fc.integer({ min: 1, max: 6 }),
          cutAt,
          async (steps, size, at) => {
            await runCut(harness, steps, size, at);
          },
        ),
        { numRuns: 50 },
      );
    });
  }

  test('clients at once: every interleaving can be explained', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.nat({ max: 9 }), { minLength: 6, maxLength: 12 }),
        async (scheduler, choices) => {
          await using bench = await MailboxBench.open(harness, { attempts_max: 3 });
          const history = await together(bench, scheduler, choices);
          expect(checkHistory(history, { attemptsMax: 3, keyWindowMs: 86_400_000, deadRetentionMs: 1e9 })).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });
}

/** Runs the steps `size` at a time. Returns how many disk operations that took. */
async function runCut(harness: MailboxHarness, steps: readonly Step[], size: number, cutAt: number): Promise<number> {
  await using trial = await MailboxTrial.open(harness, cutAt);
  // Boxes of a database are independent: what is given to two of them at once happens in no order.
  const atOnce = harness.outside === undefined ? size : 1;
  for (let at = 0; at < steps.length; at += atOnce) await trial.run(steps.slice(at, at + atOnce));
  return trial.operations;
}

/** Three clients that send, lease and settle, and time that passes, in the order that the scheduler picks. */
async function together(bench: MailboxBench, scheduler: fc.Scheduler, choices: readonly number[]): Promise<Moment[]> {
  const history: Moment[] = [];
  const { engine, env } = bench;
  const key = { tenant: 't', box: 'b' };
  let moments = 0;
  let sent = 0;
  // What happens in one millisecond still has an order.
  const now = () => {
    moments += 1;
    return env.scheduler.nowMs + moments * 1e-6;
  };
  const call = async <T>(work: () => Promise<T>) => {
    await scheduler.schedule(Promise.resolve());
    const invokedMs = now();
    const answer = await scheduler.schedule(work());
    return { box: 'b', invokedMs, respondedMs: now(), answer };
  };
  const send = async (choice: number) => {
    sent += 1;
    const group = choice % 2 === 0 ? 'g' : undefined;
    const name = choice % 3 === 0 ? undefined : `k${choice % 3} ${group}`;
    const command = sendCommand(sent, { group, ...(name !== undefined && { key: name }) });
    const { answer, ...times } = await call(() => engine.execute(command));
    const { id } = command;
    const taken = answer.ok ? answer : undefined;
    history.push({ op: 'send', ...times, id, key: name, group, ttlMs: 1e9, deadOnExpiry: false, answer: taken });
  };
  const work = async (choice: number, nonce: number) => {
    const visibilityMs = 1_000;
    const receive = { op: 'receive', ...key, max: 1 + (choice % 2), bytesMax: 9_999, visibilityMs, nonce } as const;
    const { answer, ...times } = await call(() => engine.receive(receive));
    history.push({ op: 'receive', ...times, visibilityMs, grants: answer });
    for (const lease of answer) {
      const op = (['ack', 'nack', 'release', 'extend'] as const)[choice % 4]!;
      const leases = [lease];
      const command = { op, ...key, leases, delayMs: 0, reason: undefined, wallMs: 1, visibilityMs } as const;
      const settled = await call(() => engine.execute(command as typeof command & { readonly op: 'ack' }));
      const { id, fence } = lease;
      const { invokedMs, respondedMs } = settled;
      history.push({ op, box: 'b', invokedMs, respondedMs, id, fence, visibilityMs, ok: settled.answer[0] });
    }
  };
  const client = async (name: number) => {
    for (const [index, choice] of choices.entries()) {
      if ((choice + name) % 3 === 0) await send(choice + name);
      else await work(choice + name, name * 1_000 + index * 10);
    }
  };
  const time = async () => {
    for (let count = 0; count < 4; count += 1) {
      await scheduler.schedule(Promise.resolve());
      await env.scheduler.runFor(500);
    }
  };
  await scheduler.waitFor(Promise.all([client(0), client(1), client(2), time()]));
  const alive = (await engine.peek(key, { order: 0, id: '' }, 1_000)).items;
  const dead = (await engine.deadLetters(key, undefined, 1_000))?.items ?? [];
  const ids = (items: readonly { readonly id: string }[]) => new Set(items.map(({ id }) => id));
  history.push({ op: 'remains', atMs: now(), alive: ids(alive), dead: ids(dead) });
  expect([...ids(alive), ...ids(dead)].every((id) => id <= messageId(sent))).toBe(true);
  return history;
}
