import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { call, jsonOf, put, type Reply, setName } from './client.ts';
import { contentOf } from './contents.ts';
import { mount } from './programs.ts';
import { countsOf, must, pause, type Scenario, temporaryFolder } from './scenario.ts';
import { type Issued, issue, issuedOf, leavesOf, logKey, mayRead, post, verified } from './trust-client.ts';

const what = 'trust-disk-full';
const recoveryMsMax = 5_000;

/** A file system without a free byte: what is privileged is refused, what was promised holds, and space ends it. */
export const trustDiskFull: Scenario = {
  name: what,
  summary: 'no room for the audit log: privileged calls 503, data reads, recovery without restart',
  async run() {
    using folder = temporaryFolder('trust-full');
    const path = join(folder.path, 'disk');
    mkdirSync(path);
    using _disk = mount(what, path, '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs');
    const data = join(path, 'data');
    const { key, counts } = await useFull(data, join(path, 'filler'));
    await verified(data, key);
    return countsOf(counts);
  },
};

async function useFull(data: string, filler: string): Promise<{ key: string; counts: Record<string, number> }> {
  const args = ['--persist', data, '--set', 'disk.reserve_bytes=0', '--set', 'server.log_level=error'];
  await using node = await startNodeProcess({ args });
  const key = await logKey(node);
  const address = await put(node, contentOf(1, 200_000));
  await setName(node, 'full/kept', address);
  const [kept, ended] = await Promise.all([issued(node, 'kept'), issued(node, 'ended')]);
  const rewrap = await rewrapping(node);
  fill(filler);
  const { accepted, half } = await rewrapUntilRefused(rewrap);
  await whileFull(node, { kept, ended, address });
  const before = await keysOf(node);
  for (let turn = 0; turn < 20; turn++) refused(await rewrap());
  must((await keysOf(node)) === before, 'what was refused has not happened');
  rmSync(filler);
  const recoveredMs = await recovery(node, rewrap);
  must(
    (await post(node, '/passport/revoke', { capability_id: ended.capability_id })).status === 200,
    'revocation works',
  );
  must(!(await mayRead(node, ended.capability, address)), 'and is in force');
  const more = await issued(node, 'more');
  must(await mayRead(node, more.capability, address), 'issues work');
  await readyAgain(node);
  const leaves = (await leavesOf(node)).filter(({ op, outcome }) => op === 'kms.rewrap' && outcome === 'ok');
  must(leaves.length >= accepted + 1, `each of ${accepted} has its leaf: ${leaves.length}`);
  must(node.alive, 'the node lives');
  return {
    key,
    counts: {
      'privileged calls until full': accepted,
      'done without their outcome in the log': half,
      'ms until they work again': recoveredMs,
    },
  };
}

async function issued(node: NodeProcess, subject: string): Promise<Issued> {
  const reply = await issue(node, subject);
  must(reply.status === 200, `issue: ${reply.status} ${reply.body}`);
  return issuedOf(reply);
}

/** A privileged call that writes nowhere but to the audit log. */
async function rewrapping(node: NodeProcess): Promise<() => Promise<Reply>> {
  const made = await post(node, '/kms/keys', { tenant: 'acme', purpose: 'data', alg: 'aes-256-gcm' });
  const { kid } = jsonOf(made);
  const { wrapped_base64 } = jsonOf(await post(node, '/kms/wrap', { kid, plaintext_base64: 'aGVsbG8=' }));
  return () => post(node, '/kms/rewrap', { kid, items: [{ wrapped_base64 }] });
}

/** Takes the file system's last byte. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (const size of [1_048_576, 65_536, 4_096, 1]) {
      const piece = Buffer.alloc(size, 1);
      for (let room = true; room; ) room = tryWrite(file, piece);
    }
  } finally {
    closeSync(file);
  }
}

function tryWrite(file: number, piece: Buffer): boolean {
  try {
    return writeSync(file, piece) > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}

/** The space that the log had taken before is used first. */
async function rewrapUntilRefused(rewrap: () => Promise<Reply>): Promise<{ accepted: number; half: number }> {
  for (let [accepted, half] = [0, 0]; accepted < 50_000; ) {
    const replies = await Promise.all(Array.from({ length: 16 }, rewrap));
    const good = replies.filter(({ status }) => status === 200).length;
    // The intent was the last that had room: its caller is told that it was done, and the log says that it was begun.
    const begun = replies.filter(({ status, body }) => status === 503 && body.toString().includes('this was done'));
    for (const reply of replies.filter((each) => each.status !== 200 && !begun.includes(each))) refused(reply);
    accepted += good;
    half += begun.length;
    if (good + begun.length === 0) return { accepted, half };
  }
  must(false, 'the log becomes full');
}

function refused(reply: Reply): void {
  const { code, details } = jsonOf(reply) as { code?: string; details?: { gate?: string } };
  must(
    reply.status === 503 && code === 'unavailable' && details?.gate === 'audit',
    `with the audit disk full: ${reply.status} ${reply.body}`,
  );
}

async function whileFull(
  node: NodeProcess,
  { kept, ended, address }: { kept: Issued; ended: Issued; address: string },
): Promise<void> {
  refused(await issue(node, 'nobody'));
  refused(await post(node, '/passport/revoke', { capability_id: ended.capability_id }));
  refused(await post(node, '/kms/keys', { tenant: 'acme', purpose: 'more', alg: 'ed25519' }));
  refused(await post(node, '/registry/proposals', { expected_version: 1, changes: [] }));
  must(await mayRead(node, kept.capability, address), 'objects are read');
  must(await mayRead(node, ended.capability, address), 'what was not revoked is not');
  const named = await call(node, 'GET', '/n/full/kept');
  must(named.status === 200 && named.body.equals(contentOf(1, 200_000)), `names are read: ${named.status}`);
  const ready = await call(node, 'GET', '/readyz');
  must(ready.status === 503 && /"gate":"audit[^"]*","ok":false/.test(ready.body.toString()), `red: ${ready.body}`);
  const metrics = (await call(node, 'GET', '/metrics')).body.toString();
  must(/^audit_refused_total [1-9]/m.test(metrics), 'refusals are counted');
}

async function readyAgain(node: NodeProcess): Promise<void> {
  const from = performance.now();
  for (;;) {
    const { status, body } = await call(node, 'GET', '/readyz');
    if (status === 200) return;
    must(performance.now() - from < recoveryMsMax, `the node is ready again: ${body}`);
    await pause(50);
  }
}

const keysOf = async (node: NodeProcess) => (await call(node, 'GET', '/kms/keys?tenant=acme')).body.toString();

/** Milliseconds until privileged calls are taken again, without a restart. */
async function recovery(node: NodeProcess, rewrap: () => Promise<Reply>): Promise<number> {
  const from = performance.now();
  for (;;) {
    const reply = await rewrap();
    const tookMs = Math.round(performance.now() - from);
    if (reply.status === 200) return tookMs;
    must(
      tookMs < recoveryMsMax,
      `after ${tookMs} ms with room: ${reply.status} ${reply.body} ${node.stderr().slice(-600)}`,
    );
    await pause(50);
  }
}
