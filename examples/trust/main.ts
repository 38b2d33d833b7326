import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNode } from '../start-node.ts';
import { type Leaf, leafOf, leafText, leavesOf, type Trace } from './leaves.ts';
import { corrIdOf, type Ran, Shell } from './shell.ts';

/**
 * The chain of trust on one durable node: passport issues → auth verifies → policy decides → handler runs → audit
 * proves. Every command is what a user types. At the end the node is off, and each step is proven from the exported log.
 */
const exits = { notAllowed: 4, integrity: 7 } as const;
/** Only ends a wait for what will not come. */
const loggedMsMax = 20_000;

const folder = mkdtempSync(join(tmpdir(), 'ron-trust-'));
const shell = new Shell(folder);
const traces: Trace[] = [];
const read = (file: string) => readFileSync(join(folder, file), 'utf8');
const secretsIn = (file: string) => {
  const { capability, refresh_token } = JSON.parse(read(file)) as Record<'capability' | 'refresh_token', string>;
  return [capability, refresh_token];
};

try {
  await using node = await startNode(['--persist', join(folder, 'ron-data')]);
  const bootstrapSecret = /RON_BOOTSTRAP_SECRET=(\S+)/.exec(node.banner)?.[1];
  assert.ok(bootstrapSecret, 'a fresh durable node prints the secret of its first administrator');
  shell.export('RON_NODE_URL', node.url);
  await bootstrap(bootstrapSecret);
  const capabilityId = await issue();
  await attenuate();
  await use(capabilityId);
  await refuseOutside(capabilityId);
  await bindToKey();
  const refusedMs = await revoke(node.url);
  const secrets = [bootstrapSecret, node.capability, read('plans.cap').trim()];
  for (const file of ['admin.ron', 'alice.ron', 'robot.ron']) secrets.push(...secretsIn(file));
  await exportLog();
  await node[Symbol.asyncDispose]();
  await assert.rejects(fetch(node.url), 'nobody answers any more');
  const { leaves, proven } = await prove(capabilityId);
  await tamper(proven.get('revoke'));
  for (const secret of secrets) {
    assert.ok(!read('log.ndjson').includes(secret), 'no secret is in the log');
    assert.ok(!shell.transcript.includes(secret), 'no secret was printed');
  }
  console.log(
    `trust: ${shell.commands} commands; revoked, and refused ${refusedMs.toFixed(0)} ms after the answer; with the node off ` +
      `${leaves.length} leaves and a receipt verified, ${proven.size} steps proven, one changed byte found`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function left(step: string, op: string, outcome: string, subject: string, more: Partial<Trace> = {}): void {
  traces.push({ step, op, outcome, subject, ...more });
}

/** Of a passport that was issued or renewed. */
function capabilityIdOf({ stdout }: Ran): string {
  const capabilityId = /^capability\s+(\S+)$/m.exec(stdout)?.[1];
  assert.ok(capabilityId);
  return capabilityId;
}

async function bootstrap(secret: string): Promise<void> {
  shell.say('\n# 1. The first administrator, with the secret that the node printed at its start. It works once.');
  shell.export('RON_BOOTSTRAP_SECRET', secret);
  await shell.run('npx ron passport bootstrap admin --save admin.ron');
  left('bootstrap', 'passport.bootstrap', 'ok', 'anonymous', { fields: { subject: 'admin' } });
  const again = await shell.run('npx ron passport bootstrap mallory --save mallory.ron', exits.notAllowed);
  left('bootstrap again: refused', 'passport.bootstrap', 'forbidden', 'anonymous', { corrId: corrIdOf(again) });
  shell.unset('RON_BOOTSTRAP_SECRET');
}

async function issue(): Promise<string> {
  shell.say('\n# 2. A passport for alice: names below docs/, and the objects that they point at.');
  const capabilityId = capabilityIdOf(
    await shell.run(
      'npx ron --passport admin.ron passport issue alice --right read,write:n/docs/ --right read,write:o/ --ttl 1h --save alice.ron',
    ),
  );
  const issued = { subject: 'alice', capability_id: capabilityId };
  left('issue to alice', 'passport.issue', 'ok', 'admin', { fields: issued });
  return capabilityId;
}

async function attenuate(): Promise<void> {
  shell.say(
    '\n# 3. Alice makes a weaker one for one folder and one hour. Nobody is asked: there is no node at this URL.',
  );
  await shell.run(
    'umask 077; RON_NODE_URL=http://127.0.0.1:1 npx ron --passport alice.ron cap attenuate --read docs/plans/ --read o/ --write docs/plans/ --expires 1h > plans.cap',
  );
}

async function use(capabilityId: string): Promise<void> {
  shell.say('\n# 4. Whoever has it stores a file and names it. The receipt proves that this stands in the log.');
  await shell.run("echo 'what we do in spring' > q1.txt; npx ron --cap @plans.cap put q1.txt > q1.address");
  await shell.run('npx ron --cap @plans.cap name set docs/plans/q1 "$(cat q1.address)" --receipt q1.receipt');
  await shell.run('npx ron --cap @plans.cap get docs/plans/q1 | cmp - q1.txt');
  const address = read('q1.address').trim();
  left('use inside', 'gateway.set_name', 'ok', 'alice', { capabilityId, fields: { name: 'docs/plans/q1', address } });
}

async function refuseOutside(capabilityId: string): Promise<void> {
  shell.say(
    '\n# 5. Outside the folder it is worth nothing. Refused reads and writes change nothing and leave no leaf; refused',
  );
  shell.say('#    privileged calls do.');
  await shell.run('npx ron --cap @plans.cap name set docs/budget "$(cat q1.address)"', exits.notAllowed);
  const refused = await shell.run('npx ron --cap @plans.cap passport issue mallory --right read:n/', exits.notAllowed);
  left('privileged call: refused', 'passport.issue', 'forbidden', 'alice', { capabilityId, corrId: corrIdOf(refused) });
}

async function bindToKey(): Promise<void> {
  shell.say('\n# 6. A passport that is bound to a key: whoever only copies it can do nothing with it.');
  await shell.run('npx ron policy keygen --out robot.key --name robot --json > robot.json');
  await shell.run(
    'npx ron --passport admin.ron passport issue robot --key "$(sed \'s/.*"root_signer":"robot:\\([^"]*\\)".*/\\1/\' robot.json)" --right read:n/docs/ --save robot.ron',
  );
  left('issue to robot, bound to a key', 'passport.issue', 'ok', 'admin', { fields: { subject: 'robot' } });
  await shell.run('npx ron --passport robot.ron name resolve docs/plans/q1', exits.notAllowed);
  await shell.run('npx ron --passport robot.ron --proof-key robot.key name resolve docs/plans/q1');
  const renewed = await shell.run('npx ron passport refresh --refresh-token robot.ron');
  const fields = { subject: 'robot', capability_id: capabilityIdOf(renewed) };
  left('renewal', 'passport.refresh', 'ok', 'anonymous', { fields });
}

/** Answers how long after the revocation was answered the next use was refused. */
async function revoke(url: string): Promise<number> {
  shell.say('\n# 7. The administrator takes back all that alice was given. What was made from it ends with it.');
  // Until then it is good; and the first fetch of a process takes its time, which is not the node's.
  const headers = { authorization: `Bearer ${read('plans.cap').trim()}` };
  assert.equal(await (await fetch(`${url}/n/docs/plans/q1`, { headers })).text(), read('q1.txt'));
  let refused: Promise<number> | undefined;
  await shell.run('npx ron --passport admin.ron passport revoke --subject alice', 0, () => {
    refused = refusedNextUse(url);
  });
  left('revoke', 'passport.revoke', 'ok', 'admin', { fields: { subject: 'alice' } });
  assert.ok(refused);
  const refusedMs = await refused;
  shell.say(`    the next use was refused, ${refusedMs.toFixed(1)} ms after the revocation was answered`);
  const { notAllowed } = exits;
  await shell.run('npx ron --cap @plans.cap name set docs/plans/q1 "$(cat q1.address)"', notAllowed);
  const called = await shell.run('npx ron --cap @plans.cap passport issue mallory --right read:n/', notAllowed);
  left('privileged call after: refused', 'passport.issue', 'unauthenticated', '', { corrId: corrIdOf(called) });
  const renewed: Ran = await shell.run('npx ron passport refresh --refresh-token alice.ron', notAllowed);
  left('renewal after: refused', 'passport.refresh', 'unauthenticated', 'anonymous', { corrId: corrIdOf(renewed) });
  await untilLogged(url, corrIdOf(renewed));
  return refusedMs;
}

/** The same use, without the start of a program in between. */
async function refusedNextUse(url: string): Promise<number> {
  const headers = { authorization: `Bearer ${read('plans.cap').trim()}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ address: read('q1.address').trim() });
  const startMs = performance.now();
  const answer = await fetch(`${url}/name/docs/plans/q1`, { method: 'PUT', headers, body });
  const refusedMs = performance.now() - startMs;
  assert.equal(answer.status, 401, await answer.text());
  return refusedMs;
}

/** The answer to a refusal does not wait for its leaf, which comes a moment later. */
async function untilLogged(url: string, corrId: string): Promise<void> {
  const headers = { authorization: `Bearer ${secretsIn('admin.ron')[0]}` };
  for (const endMs = performance.now() + loggedMsMax; ; ) {
    const reply = await fetch(`${url}/audit/export`, { headers });
    if ((await reply.text()).includes(corrId)) return;
    assert.ok(performance.now() < endMs, `no leaf of ${corrId}`);
  }
}

async function exportLog(): Promise<void> {
  shell.say('\n# 8. The log, its key, and a signed checkpoint to keep elsewhere. Then the node is stopped.');
  await shell.run('npx ron audit key > audit.key');
  await shell.run('npx ron audit checkpoint > kept.checkpoint');
  await shell.run('npx ron --passport admin.ron audit export -o log.ndjson');
}

async function prove(capabilityId: string): Promise<{ leaves: readonly Leaf[]; proven: ReadonlyMap<string, Leaf> }> {
  shell.say('\n# 9. The node is off. The export, its own folder and the receipt are checked without it.');
  const key = '--key "$(cat audit.key)"';
  await shell.run(`npx ron audit verify log.ndjson ${key} --checkpoint kept.checkpoint`);
  await shell.run(`npx ron audit verify ron-data/audit ${key}`);
  const receipt = await shell.run(`npx ron audit verify q1.receipt --receipt ${key}`);
  const leaves = leavesOf(read('log.ndjson'));
  assert.deepEqual(
    leaves.map(({ index }) => index),
    leaves.map((_, index) => index),
  );
  shell.say('\n# 10. Every step and its leaf in the verified export.');
  const proven = new Map(traces.map((trace) => [trace.step, leafOf(leaves, trace)]));
  for (const [step, leaf] of proven) shell.say(leafText(step, leaf));
  const inOrder = [...proven.values()].map(({ index }) => index);
  assert.deepEqual(
    inOrder,
    inOrder.toSorted((a, b) => a - b),
    'the log has the steps in their order',
  );
  const used = proven.get('use inside')!.index;
  assert.match(receipt.stdout, new RegExp(`^proven +entry ${used} of `, 'm'), 'the receipt is for that leaf');
  const changes = leaves.filter(({ entry }) => entry.op === 'gateway.set_name' && entry.capability_id === capabilityId);
  assert.deepEqual(
    changes.map(({ index }) => index),
    [used],
  );
  shell.say(
    `With alice's capability one name was set, by leaf ${used}: none outside the folder, none after the revocation.`,
  );
  return { leaves, proven };
}

/** One byte of one leaf, and the verification has to name that leaf. */
async function tamper(leaf: Leaf | undefined): Promise<void> {
  assert.ok(leaf);
  shell.say('\n# 11. Somebody changes one byte of a copy, so that another was revoked.');
  // The first line is the head of the export.
  await shell.run(`sed '${leaf.index + 2}s/alice/elice/' log.ndjson > altered.ndjson`);
  const [before, after] = [Buffer.from(read('log.ndjson')), Buffer.from(read('altered.ndjson'))];
  assert.equal(before.filter((byte, place) => byte !== after[place]).byteLength, 1);
  assert.equal(before.byteLength, after.byteLength);
  const line = 'npx ron audit verify altered.ndjson --key "$(cat audit.key)"';
  const { stdout } = await shell.run(line, exits.integrity);
  assert.match(stdout, new RegExp(`entry ${leaf.index}:`), 'the finding names the index');
}
