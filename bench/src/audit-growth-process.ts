import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openDiskAuditLog } from '@ron/audit';
import { createRealEnv } from '@ron/kernel/real';
import { openFileKms } from '@ron/kms';
import { auditEntryOf } from './audit-entry.ts';
import { memoryOf } from './own-memory.ts';

/**
 * Fills, opens or appends to the log of a folder and prints what that cost, for `rows/trust-audit.ts`. Arguments:
 * `fill` (up to so many entries), `open`, `append` (for one second); count; folder.
 */
const [task, countText, folder] = process.argv.slice(2) as [string, string, string];
const appendMs = 1_000;
const callers = 64;
const fillers = 512;

const env = createRealEnv({ root: folder });
await using kms = await openFileKms({ env, path: 'keys/keystore.age', identityPath: 'keys/identity.txt' });
const before = memoryOf();
const from = performance.now();
await using log = await openDiskAuditLog({ env, kms, origin: 'bench.example/audit', folder: 'audit' });
const openMs = performance.now() - from;
const after = memoryOf();
if (log.failure !== undefined) throw new Error(log.failure);

let perSecond = 0;
let cpuUs = 0;
if (task === 'fill') {
  let next = log.size;
  const fill = async () => {
    for (let at = next++; at < Number(countText); at = next++) await log.record(auditEntryOf(at));
  };
  await Promise.all(Array.from({ length: fillers }, fill));
  await log[Symbol.asyncDispose]();
} else if (task === 'append') {
  const began = performance.now();
  const cpu = process.cpuUsage();
  let appended = 0;
  const caller = async () => {
    for (; performance.now() < began + appendMs; appended += 1) await log.record(auditEntryOf(appended));
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const { user, system } = process.cpuUsage(cpu);
  cpuUs = (user + system) / appended;
  perSecond = appended / ((performance.now() - began) / 1_000);
}
const { size } = log;
// After an append, files are still being made from it.
const diskBytes = task === 'append' ? 0 : await bytesBelow(join(folder, 'audit'));
const heap = after.heap - before.heap;
process.stdout.write(`${JSON.stringify({ perSecond, cpuUs, openMs, heap, rss: after.rss, size, diskBytes })}\n`);

async function bytesBelow(path: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name))).blocks * 512;
  }
  return sum;
}
