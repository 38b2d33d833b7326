import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createRealEnv } from '@ron/kernel/real';
import { type MailboxEngine, openJournalMailboxes } from '@ron/svc-mailbox/service';
import { defaultSettings, sendCommand } from '../contract/engines/mailbox-calls.ts';
import { mount, system } from './programs.ts';
import { countsOf, must, temporaryFolder } from './scenario.ts';

const what = 'mailbox-disk-full';
const key = { tenant: 't', box: 'b' };
const bodyBytes = 300;
const text = 'x'.repeat(bodyBytes);
const many = 10_000_000;
const config = {
  ...defaultSettings,
  ...{ messages_max: many, tenant_messages_max: many, idempotency_keys_max: many },
  tenant_bytes_max: Number.MAX_SAFE_INTEGER,
};

/**
 * A disk full of small messages: taking them out writes more than any fixed reserve holds. In process, because there
 * are hundreds of thousands.
 */
export async function fullOfSmall(): Promise<string> {
  using folder = temporaryFolder('mailbox-small');
  const [image, path] = [join(folder.path, 'image'), join(folder.path, 'disk')];
  mkdirSync(path);
  system(what, 'truncate', '--size', '96M', image);
  system(what, 'mkfs.ext4', '-q', '-F', '-m', '0', image);
  using _disk = mount(what, path, '-o', 'loop', image);
  const root = join(path, 'data');
  const open = () =>
    openJournalMailboxes({
      env: createRealEnv({ root }),
      folder: 'log',
      config: () => config,
      bytesMax: Number.MAX_SAFE_INTEGER,
    });
  let sent = 0;
  {
    await using engine = await open();
    sent = await fill(engine);
    must((await drain(engine, sent / 2)) >= sent / 2, 'half of them are received and acknowledged');
  }
  await using engine = await open();
  const { ready } = (await engine.stats(key))!;
  must((await drain(engine, sent)) === ready, 'all others are received and acknowledged after a restart');
  for (let more = 0; more < 1_000; more++) {
    const taken = await engine.execute(
      sendCommand(many + more, { content: { body: { kind: 'text', text }, headers: undefined } }),
    );
    must(taken.ok, 'sends work again');
  }
  return countsOf({ [`messages of ${bodyBytes} bytes that fitted`]: sent, 'received and acknowledged': sent });
}

/** How many were taken. */
async function fill(engine: MailboxEngine): Promise<number> {
  for (let number = 0, refused = 0; refused < 20; ) {
    const sends = Array.from({ length: 500 }, () => {
      const content = { body: { kind: 'text' as const, text }, headers: undefined };
      return engine.execute(sendCommand(++number, { content, sizeBytes: bodyBytes, jsonBytes: bodyBytes + 2 }));
    });
    const outcomes = await Promise.allSettled(sends);
    if (outcomes.some(({ status }) => status === 'rejected')) refused++;
  }
  return engine.counters.sent;
}

/** Takes out as many, or all there are. */
async function drain(engine: MailboxEngine, count: number): Promise<number> {
  for (let drained = 0; ; ) {
    const asked = { ...key, max: 100, bytesMax: many, visibilityMs: 600_000, nonce: 1 };
    const leases = await engine.receive({ op: 'receive', ...asked }).catch(refused(drained));
    if (leases.length === 0) return drained;
    const good = await engine.execute({ op: 'ack', ...key, leases }).catch(refused(drained));
    must(!good.includes(false), 'acks with good leases');
    drained += leases.length;
    if (drained >= count) return drained;
  }
}

const refused = (drained: number) => (error: Error) => {
  must(false, `refused on a full disk of small messages after ${drained} of them: ${error.message}`);
};
