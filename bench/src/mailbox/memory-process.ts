import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRealEnv } from '@ron/kernel/real';
import type { Receive, Send } from '@ron/svc-mailbox/service';
import { nextBody } from './contestant.ts';
import { configOf, type EngineName, openEngine } from './in-process.ts';

/**
 * Fills an engine and prints the memory of this process in bytes, for `memory.ts`. Arguments: engine, `messages` or
 * `boxes`, count, folder. Run with `--expose-gc`.
 */
const [engineName, kind, countText, folder] = process.argv.slice(2);
const count = Number(countText);
const together = 256;
const settleMs = 1_500;
const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const tenant = 'bench';

const raised = {
  tenant_messages_max: 10_000_000,
  tenant_boxes_max: 10_000_000,
  messages_max: 10_000_000,
  boxes_max: 10_000_000,
};
await using engine = await openEngine(engineName as EngineName, createRealEnv({ root: folder! }), configOf(raised));

let next = 0;
const fill = async () => {
  for (let at = next++; at < count; at = next++) {
    if (kind === 'messages') await send('box', at);
    else await sendAndSettle(`box-${at}`, at);
  }
};
await Promise.all(Array.from({ length: together }, fill));
globalThis.gc?.();
await sleep(settleMs);
globalThis.gc?.();
const status = await readFile('/proc/self/status', 'utf8');
const { heapUsed, external } = process.memoryUsage();
const { boxes, ready } = await engine.totals();
const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024;
process.stdout.write(`${JSON.stringify({ rss, heap: heapUsed + external, boxes, ready })}\n`);

async function send(box: string, at: number): Promise<string> {
  const text = flat(nextBody());
  const command: Send = {
    op: 'send',
    tenant,
    box,
    id: idOf(at),
    sentWallMs: Date.now(),
    content: { body: { kind: 'text', text }, headers: undefined },
    sizeBytes: text.length,
    jsonBytes: text.length + 2,
    key: undefined,
    delayMs: 0,
    ttlMs: undefined,
    deadOnExpiry: false,
    group: undefined,
    priority: 0,
  };
  const outcome = await engine.execute(command);
  if (!outcome.ok) throw new Error(`refused: ${outcome.refusal}`);
  return outcome.id;
}

async function sendAndSettle(box: string, at: number): Promise<void> {
  const id = await send(box, at);
  const receive: Receive = { op: 'receive', tenant, box, max: 1, bytesMax: 1_000_000, visibilityMs: 30_000, nonce: at };
  const [taken] = await engine.receive(receive);
  const [good] = await engine.execute({ op: 'ack', tenant, box, leases: [{ id, fence: taken!.fence, nonce: at }] });
  if (good !== true) throw new Error('a lease that was just given is not good');
}

/** A string of its own bytes, as one that was parsed from a request is. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

function idOf(number: number): string {
  let id = '';
  for (let rest = number; id.length < 26; rest = Math.floor(rest / 32)) id = crockford[rest % 32] + id;
  return flat(id);
}
