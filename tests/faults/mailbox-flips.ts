import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createRealEnv } from '@ron/kernel/real';
import {
  type DeadLetter,
  type LeasedMessage,
  type MailboxEngine,
  openJournalMailboxes,
} from '@ron/svc-mailbox/service';
import { defaultSettings, messageId, sendCommand } from '../contract/engines/mailbox-calls.ts';
import { contentOf } from './contents.ts';
import { countsOf, Failure, must, randomFrom, type Scenario, temporaryFolder } from './scenario.ts';

const tenant = 't';
const boxes = ['orders', 'mail'];
const count = 160;
const yearMs = 365 * 86_400_000;
const config = {
  ...defaultSettings,
  attempts_max: 2,
  retention_ms: yearMs,
  dead_retention_ms: yearMs,
  idempotency_window_ms: yearMs,
};
/** Leases and delays of the template last for longer than it takes to make it, and end when all is taken out. */
const longMs = 10_000_000;
const fates = ['ready', 'acked', 'removed', 'leased', 'failed once', 'dead', 'in a group', 'large'] as const;

interface Kept {
  readonly box: string;
  readonly fate: (typeof fates)[number];
  readonly content: LeasedMessage['content'];
}

/** Flips one bit in the log of a stopped engine, opens it, takes everything out. */
export const mailboxFlips: Scenario = {
  name: 'mailbox-flips',
  summary: 'a flipped bit anywhere in the log of the mailboxes',
  async run({ quick, seed }) {
    const flips = quick ? 30 : 2_000;
    using folder = temporaryFolder('mailbox-flips');
    const template = join(folder.path, 'template');
    await makeTemplate(template);
    const counts: Record<string, number> = { flips };
    for (let flip = 0; flip < flips; flip++) {
      const copy = join(folder.path, 'copy');
      rmSync(copy, { recursive: true, force: true });
      cpSync(template, copy, { recursive: true });
      const where = flipOne(join(copy, 'log'), randomFrom(seed * 100_003 + flip));
      try {
        for (const outcome of await outcomesOf(copy)) counts[outcome] = (counts[outcome] ?? 0) + 1;
      } catch (error) {
        throw new Failure(`flip ${flip} (seed ${seed}) in ${where}: ${(error as Error).message}`);
      }
    }
    return countsOf({ ...counts, 'wrong bodies': 0, 'missing without a name': 0 });
  },
};

/** Time that goes on when it is told to. */
async function open(root: string, alarms: string[]) {
  const time = { nowMs: 1_000 };
  const clock = { wallMs: () => time.nowMs, monotonicMs: () => time.nowMs, after: () => ({ cancel: () => undefined }) };
  const engine = await openJournalMailboxes({
    env: { ...createRealEnv({ root }), clock },
    folder: 'log',
    config: () => config,
    bytesMax: config.bytes_max,
    segmentBytes: 262_144,
    reserveBytes: 65_536,
    hotBytesMax: 0,
    onDamage: (detail) => alarms.push(detail),
  });
  return { engine, time };
}

function kept(number: number): Kept {
  const fate = fates[number % fates.length]!;
  const bytes = contentOf(number, (number * 13) % 300);
  const text = `message ${number} ${bytes.toString('base64')}${fate === 'large' ? 'x'.repeat(20_000) : ''}`;
  const body =
    number % 3 === 0 ? { kind: 'bytes' as const, bytes: Uint8Array.from(bytes) } : { kind: 'text' as const, text };
  const headers = number % 5 === 0 ? { number: `${number}` } : undefined;
  return { box: boxes[(number >> 3) % 2]!, fate, content: { body, headers } };
}

/** With the same key as ever; the content was told by the digest. */
function sending(number: number) {
  const { box, content, fate } = kept(number);
  const group = fate === 'in a group' ? `group-${number % 3}` : undefined;
  const priority = ['acked', 'leased', 'failed once', 'dead'].includes(fate) ? 9 : 4;
  const key = { key: `key-${number}`, digest: `digest-${number}` };
  const sizeBytes = fate === 'large' ? 21_000 : 1_000;
  return sendCommand(number, { tenant, box, content, group, priority, sizeBytes, jsonBytes: sizeBytes, ...key });
}

async function makeTemplate(root: string): Promise<void> {
  const { engine, time } = await open(root, []);
  await using _engine = engine;
  for (let number = 1; number <= count; number++) {
    const { box, fate } = kept(number);
    time.nowMs += 1_000;
    await engine.execute(sending(number));
    if (fate === 'removed') await engine.execute({ op: 'remove', tenant, box, id: messageId(number) });
    if (sending(number).priority === 4) continue;
    for (let attempt = 0; attempt < (fate === 'dead' ? 2 : 1); attempt++) {
      const leases = await receive(engine, box, 1, longMs);
      must(leases.length === 1 && leases[0]!.id === messageId(number), `${number} was leased`);
      const settle = { tenant, box, leases, delayMs: fate === 'dead' ? 0 : longMs, reason: 'made to fail' };
      if (fate !== 'leased') await engine.execute({ op: fate === 'acked' ? 'ack' : 'nack', ...settle });
    }
  }
}

function receive(engine: MailboxEngine, box: string, max: number, visibilityMs: number) {
  return engine.receive({ op: 'receive', tenant, box, max, bytesMax: 1e9, visibilityMs, nonce: 7 });
}

/** Often in the first or the last bytes that are used, where heads are, and seldom within a large body. */
function flipOne(folder: string, random: () => number): string {
  const names = readdirSync(folder).filter((name) => name.endsWith('.log'));
  const name = names[Math.trunc(random() * names.length)]!;
  const bytes = readFileSync(join(folder, name));
  let used = bytes.length;
  while (used > 1 && bytes[used - 1] === 0) used--;
  const drawn = random();
  const near = Math.trunc(random() * Math.min(used, 300));
  let offset = drawn < 0.1 ? near : drawn < 0.2 ? used - 1 - near : Math.trunc(random() * used);
  for (let tries = 0; tries < 5 && bytes.indexOf('xxxx', offset) === offset; tries++)
    offset = Math.trunc(random() * used);
  const mask = 1 << Math.trunc(random() * 8);
  bytes[offset]! ^= mask;
  writeFileSync(join(folder, name), bytes);
  return `${name} byte ${offset} of ${used} mask ${mask}`;
}

function plain({ body, headers }: Kept['content']): unknown {
  return [headers, body.kind === 'bytes' ? Buffer.from(body.bytes).toString('hex') : body];
}

/** What comes out, and whether that can be. */
async function outcomesOf(root: string): Promise<Set<string>> {
  const alarms: string[] = [];
  const { engine, time } = await open(root, alarms);
  await using _engine = engine;
  const delivered = new Map<string, LeasedMessage>();
  const dead = new Map<string, DeadLetter>();
  for (const box of boxes) {
    for (let empty = 0; empty < 3; ) {
      time.nowMs += 10 * longMs;
      const messages = await receive(engine, box, 20, longMs);
      empty = messages.length === 0 ? empty + 1 : 0;
      for (const message of messages) {
        must(!delivered.has(message.id), `${message.id} came twice`);
        delivered.set(message.id, message);
      }
      await engine.execute({ op: 'ack', tenant, box, leases: messages });
    }
    const page = await engine.deadLetters({ tenant, box }, undefined, 1_000);
    for (const letter of page?.items ?? []) dead.set(letter.id, letter);
  }
  const outcomes = new Set<string>();
  for (let number = 1; number <= count; number++) {
    const id = messageId(number);
    outcomes.add(fateOf(kept(number), delivered.get(id), dead.get(id), alarms.join('\n').includes(id)));
    delivered.delete(id);
    dead.delete(id);
  }
  must(delivered.size === 0 && dead.size === 0, `not sent: ${[...delivered.keys(), ...dead.keys()].join()}`);
  for (let number = 1; number <= count; number++) {
    const sent = await engine.execute({ ...sending(number), id: messageId(1_000 + number) });
    const same = sent.ok && sent.duplicate && sent.id === messageId(number);
    if (!same) outcomes.add('a key forgotten');
  }
  outcomes.delete('as it was');
  const isSilent = alarms.length === 0;
  must(!(isSilent && outcomes.size > 0), `no alarm, and ${[...outcomes].join()}`);
  if (!isSilent) outcomes.add('alarms');
  return outcomes.size === 0 ? new Set(['all right']) : outcomes;
}

function fateOf(
  { fate, content }: Kept,
  delivered: LeasedMessage | undefined,
  dead: DeadLetter | undefined,
  isNamed: boolean,
): string {
  for (const one of [delivered, dead]) {
    const isRight = one?.content === undefined || isDeepStrictEqual(plain(one.content), plain(content));
    must(isRight, `WRONG BODY of ${one?.id}`);
  }
  must(delivered === undefined || dead === undefined, `${delivered?.id} is delivered and dead`);
  if (dead?.cause === 'damaged') return 'dead letter that names it';
  if (fate === 'acked' || fate === 'removed') {
    must(dead === undefined, `${dead?.id}, ${fate}, is a dead letter`);
    return delivered === undefined ? 'as it was' : 'settled and delivered again';
  }
  if (fate === 'dead') {
    if (delivered !== undefined) return 'dead and delivered again';
    if (dead?.cause === 'attempts') return dead.content === undefined ? 'dead without its body' : 'as it was';
  } else if (delivered !== undefined) return 'as it was';
  must(dead === undefined, `${dead?.id} died of ${dead?.cause}`);
  must(isNamed, 'A MESSAGE IS MISSING AND NOT NAMED');
  return 'missing and named in an alarm';
}
