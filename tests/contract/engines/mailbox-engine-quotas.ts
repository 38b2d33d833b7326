import { expect, test } from 'vitest';
import { MailboxBench, type MailboxHarness } from './mailbox-calls.ts';

/** Budgets at their limits: what is refused leaves no trace. */
export function mailboxQuotas(harness: MailboxHarness): void {
  const cases = [
    ['tenant-messages', { tenant_messages_max: 2 }, {}],
    ['messages', { messages_max: 2 }, {}],
    ['tenant-bytes', { tenant_bytes_max: 299 }, {}],
    ['bytes', { bytes_max: 299 }, {}],
    ['tenant-boxes', { tenant_boxes_max: 2 }, { box: 'third' }],
    ['boxes', { boxes_max: 2 }, { box: 'third' }],
  ] as const;
  test.each(cases)('%s: up to the limit, then refused without a trace', async (refusal, settings, more) => {
    await using bench = await MailboxBench.open(harness, { ...settings, attempts_max: 1 });
    const id = await bench.send({ box: 'b' });
    await bench.send({ box: 'c' });
    // Dead letters count as the others do.
    await bench.exhaust(id);
    const before = [await bench.engine.totals(), await bench.stats()];
    expect(await bench.sending({ ...more, key: 'k' })).toMatchObject({ ok: false, refusal });
    expect([await bench.engine.totals(), await bench.stats()]).toEqual(before);
    const other = refusal.startsWith('tenant-') ? await bench.sending({ ...more, tenant: 'u' }) : undefined;
    expect(other?.ok).not.toBe(false);
    expect(await bench.remove(id)).toBe(true);
    expect(await bench.sending({ ...more, key: 'k' })).toMatchObject({ ok: true, duplicate: false });
  });

  test.each([
    [99, 'refused'],
    [100, 'taken'],
    [101, 'taken'],
  ])('%i bytes left for a message of 100: %s', async (left, expected) => {
    await using bench = await MailboxBench.open(harness, { tenant_bytes_max: 100 + left });
    await bench.send();
    expect((await bench.sending()).ok).toBe(expected === 'taken');
  });

  test('keys: past the limit a send with a new key is refused until the oldest is forgotten', async () => {
    await using bench = await MailboxBench.open(harness, { idempotency_keys_max: 2, idempotency_window_ms: 60_000 });
    await bench.send({ key: 'a' });
    await bench.pass(1_000);
    await bench.send({ key: 'b' });
    const before = await bench.engine.totals();
    expect(await bench.sending({ key: 'c' })).toEqual({ ok: false, refusal: 'keys', retryAfterMs: 59_000 });
    expect(await bench.engine.totals()).toEqual(before);
    expect(await bench.sending({ key: 'a' })).toMatchObject({ ok: true, duplicate: true });
    expect((await bench.sending()).ok).toBe(true);
    await bench.pass(59_000);
    expect(await bench.sending({ key: 'c' })).toMatchObject({ ok: true, duplicate: false });
  });
}
