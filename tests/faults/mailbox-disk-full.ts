import { mkdirSync, readdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { jsonOf } from './client.ts';
import { contentOf } from './contents.ts';
import {
  ask,
  deadLetters,
  readiness,
  receive,
  remove,
  send,
  settle,
  statsOf,
  Unexpected,
  type WireMessage,
} from './mailbox-client.ts';
import { fullOfSmall } from './mailbox-full-of-small.ts';
import { mount, system } from './programs.ts';
import { countsOf, Failure, must, pause, type Scenario, temporaryFolder } from './scenario.ts';

const what = 'mailbox-disk-full';
const box = 'full';
const visibilityMs = 600_000;

/** A small file system filled by sends: all the rest goes on, and sends do again once there is room. */
export const mailboxDiskFull: Scenario = {
  name: what,
  summary: 'a file system filled by sends: the rest of a mailbox works on it',
  async run() {
    return `${await fullOfLarge()}; ${await fullOfSmall()}`;
  },
};

async function fullOfLarge(): Promise<string> {
  using folder = temporaryFolder('mailbox-full');
  const [image, path] = [join(folder.path, 'image'), join(folder.path, 'disk')];
  mkdirSync(path);
  system(what, 'truncate', '--size', '128M', image);
  system(what, 'mkfs.ext4', '-q', '-F', '-m', '0', image);
  using _disk = mount(what, path, '-o', 'loop', image);
  const data = join(path, 'data');
  const args = ['--persist', data, '--set', 'disk.reserve_bytes=0', '--set', 'mailbox.attempts_max=2'];
  await using node = await startNodeProcess({ args });
  const counts: Record<string, number> = {};
  const sent = new Map<string, string>();
  await letDie(node, sent);
  await fill(node, sent, counts);
  const freeFull = freeBytes(path);
  await useWhileFull(node, sent, counts);
  must(freeBytes(path) <= freeFull + 1_048_576, 'the disk was full all the time');
  const logsFull = logsOf(data);
  await drain(node, sent, counts);
  await sendAgain(node, counts);
  counts['log segments while full'] = logsFull;
  counts['after compaction'] = logsOf(data);
  counts['MiB given back'] = Math.round((freeBytes(path) - freeFull) / 1_048_576);
  must(logsOf(data) < logsFull && freeBytes(path) > freeFull + 16_777_216, `no space came back: ${countsOf(counts)}`);
  must((await readiness(node)).ready, `not ready: ${(await readiness(node)).red}`);
  must(node.alive, 'the node lives');
  return countsOf(counts);
}

const freeBytes = (path: string) => {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
};

const logsOf = (data: string) => readdirSync(join(data, 'mailboxes')).filter((name) => name.endsWith('.log')).length;

const bodyOf = (seed: number, size: number) => `${seed} ${contentOf(seed, size).toString('base64')}`;

async function sendOne(
  node: NodeProcess,
  sent: Map<string, string>,
  size: number,
  number = sent.size,
): Promise<number> {
  const body = bodyOf(number, size);
  try {
    sent.set((await send(node, box, { body, idempotency_key: `key-${number}` })).id, body);
    return 200;
  } catch (error) {
    if (!(error instanceof Unexpected)) throw error;
    must(error.status === 507, `on a full disk: ${error.message} ${node.stderr().slice(-600)}`);
    return error.status;
  }
}

/** Three dead letters to begin with. */
async function letDie(node: NodeProcess, sent: Map<string, string>): Promise<void> {
  for (let count = 0; count < 3; count++) await sendOne(node, sent, 100);
  for (let attempt = 0; attempt < 2; attempt++) {
    const leases = (await receive(node, box, { max: 3, visibility_ms: visibilityMs })).map(({ lease }) => lease);
    await settle(node, box, 'nack', leases, { delay_ms: 0, reason: 'to be dead' });
  }
  must((await deadLetters(node, box)).length === 3, 'three are dead');
}

async function fill(node: NodeProcess, sent: Map<string, string>, counts: Record<string, number>): Promise<void> {
  counts['refused with 507'] = 0;
  for (const size of [150_000, 20_000, 500, 0]) {
    for (let refused = 0; refused < 5; ) {
      if ((await sendOne(node, sent, size)) === 507) refused++;
      else refused = 0;
      must(sent.size < 300_000, 'the disk becomes full');
      counts['refused with 507'] += refused > 0 ? 1 : 0;
    }
  }
  counts['messages that fitted'] = sent.size;
}

function mustBe(sent: ReadonlyMap<string, string>, { id, body }: { id: string; body?: string }): void {
  must(body === sent.get(id), `WRONG BODY of ${id}`);
}

async function useWhileFull(
  node: NodeProcess,
  sent: Map<string, string>,
  counts: Record<string, number>,
): Promise<void> {
  const full = async () => must((await sendOne(node, sent, 150_000)) === 507, 'it is still full');
  const leased: WireMessage[] = [];
  for (let calls = 0; calls < 10; calls++) {
    const some = await receive(node, box, { max: 3, visibility_ms: visibilityMs });
    must(some.length > 0, 'recv gives messages on a full disk');
    for (const message of some) mustBe(sent, message);
    leased.push(...some);
  }
  const [acked, nacked, extended, removed] = leased as [WireMessage, WireMessage, WireMessage, WireMessage];
  await full();
  must((await settle(node, box, 'extend', [extended.lease], { visibility_ms: 900_000 }))[0]!, 'extend');
  must((await settle(node, box, 'nack', [nacked.lease], { delay_ms: 0 }))[0]!, 'nack');
  must((await settle(node, box, 'ack', [acked.lease]))[0]!, 'ack');
  must(!(await settle(node, box, 'ack', [acked.lease]))[0]!, 'a second ack is refused');
  must(await remove(node, box, removed.id), 'DELETE');
  must((await settle(node, box, 'ack', [extended.lease]))[0]!, 'ack of what was extended');
  for (const { id } of [acked, removed, extended]) sent.delete(id);
  for (const { lease, id } of leased.slice(4)) {
    must((await settle(node, box, 'ack', [lease]))[0]!, 'ack');
    sent.delete(id);
  }
  const dead = await deadLetters(node, box);
  must(dead.length === 3, `${dead.length} dead letters on a full disk`);
  for (const message of dead) mustBe(sent, message);
  const redriven = await ask(node, box, 'dlq/redrive', { ids: [dead[0]!.id] });
  must(redriven.status === 200 && jsonOf(redriven)['redriven'] === 1, `redrive: ${redriven.status} ${redriven.body}`);
  const purged = await ask(node, box, 'dlq/purge', { ids: [dead[1]!.id] });
  must(purged.status === 200 && jsonOf(purged)['purged'] === 1, `purge: ${purged.status} ${purged.body}`);
  sent.delete(dead[1]!.id);
  must((await statsOf(node, box))?.dead === 1, 'stats');
  await full();
  counts['received, settled and removed while full'] = leased.length;
}

/** Everything that was acknowledged comes, once, with its bytes. */
async function drain(node: NodeProcess, sent: Map<string, string>, counts: Record<string, number>): Promise<void> {
  let drained = 0;
  for (let empty = 0; empty < 2; ) {
    const messages = await receive(node, box, { max: 100, visibility_ms: visibilityMs, wait_ms: 200 });
    empty = messages.length === 0 ? empty + 1 : 0;
    for (const message of messages) {
      mustBe(sent, message);
      sent.delete(message.id);
      drained++;
    }
    if (messages.length > 0)
      await settle(
        node,
        box,
        'ack',
        messages.map(({ lease }) => lease),
      );
  }
  must(sent.size === 1, `${sent.size - 1} of the acknowledged messages did not come`);
  counts['drained with the right bytes'] = drained;
}

async function sendAgain(node: NodeProcess, counts: Record<string, number>): Promise<void> {
  const from = performance.now();
  const again = new Map<string, string>();
  while (again.size < 20) {
    if (performance.now() - from > 20_000) throw new Failure('sends do not work again');
    if ((await sendOne(node, again, 150_000, 1_000_000 + again.size)) !== 200) await pause(100);
  }
  counts['ms until 20 sends were taken again'] = Math.round(performance.now() - from);
}
