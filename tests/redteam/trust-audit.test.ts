import {
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../support/child-process.ts';
import { startNodeProcess } from '../support/node-process.ts';
import { type TempFolder, tempFolder } from '../support/temp-folder.ts';
import { stateOf } from './folder-state.ts';
import { envelopeOf, eventually, metricsOf } from './signs.ts';
import { call, issue, leavesOf, ok, type Passport, post } from './trust-client.ts';

const ron = fileURLToPath(new URL('../../apps/ron/bin/ron.js', import.meta.url));
/** Two full bundles of 256 entries, and some that fill none. */
const issues = 280;

let folders: TempFolder;
let key: string;
/** Entries of the log in `node`. */
let size: number;
let stored: string;
let passport: Passport;

beforeAll(async () => {
  folders = tempFolder();
  await using node = await startNodeProcess({ args: ['--persist', folders.join('node')] });
  stored = (await ok<{ address: string }>(call(node, 'PUT', '/put', { body: 'kept' }))).address;
  for (let at = 0; at < issues; at += 20) {
    const some = await Promise.all(Array.from({ length: 20 }, (_, i) => issue(node, { subject: `subject-${at + i}` })));
    passport = some[0]!;
  }
  size = (await leavesOf(node)).length;
  key = (await ok<{ keys: string[] }>(call(node, 'GET', '/audit/key', { token: '' }))).keys[0]!;
}, 60_000);
afterAll(() => folders[Symbol.dispose]());

const bundle = (number: number) => `tile/entries/00${number}`;
const newestSegment = (log: string) => join(log, 'journal', readdirSync(join(log, 'journal')).sort().at(-1)!);
const usedBytes = (bytes: Buffer) => bytes.findLastIndex((byte) => byte !== 0) + 1;

function change(path: string, edit: (bytes: Buffer) => Buffer): void {
  writeFileSync(path, edit(readFileSync(path)));
}

/** Changes the last letter of the first place that has the text. */
function edited(bytes: Buffer, text: string): Buffer {
  const at = bytes.indexOf(text);
  if (at < 0) throw new Error(`no ${text}`);
  bytes[at + text.length - 1]! ^= 1;
  return bytes;
}

/** Entries of a bundle: each with its length in two bytes before it (c2sp.org/tlog-tiles). */
function entriesOf(bytes: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + bytes.readUInt16BE(at);
    entries.push(bytes.subarray(at, end));
    at = end;
  }
  return entries;
}

const swapped = (entries: Buffer[], a: number, b: number) =>
  Buffer.concat(entries.map((entry, at) => (at === a ? entries[b]! : at === b ? entries[a]! : entry)));

/** What is done to the stopped node's log, and what the report has to name. */
const attacks: Record<string, [names: RegExp, attack: (log: string) => void]> = {
  'an entry of a bundle edited': [
    /edited {2}entry 300:/,
    (log) =>
      change(join(log, bundle(1)), (bytes) => {
        const entries = entriesOf(bytes);
        entries[300 - 256]!.writeUInt8(entries[300 - 256]![40]! ^ 1, 40);
        return Buffer.concat(entries);
      }),
  ],
  'two entries of a bundle exchanged': [
    /entry 10:[\s\S]*entry 20:/,
    (log) => change(join(log, bundle(0)), (bytes) => swapped(entriesOf(bytes), 10, 20)),
  ],
  'an entry of a bundle deleted': [
    /entr(y 10|ies 10 to \d+):/,
    (log) => change(join(log, bundle(0)), (bytes) => Buffer.concat(entriesOf(bytes).toSpliced(10, 1))),
  ],
  'an entry of a bundle put in another’s place': [
    /entry 10:/,
    (log) =>
      change(join(log, bundle(0)), (bytes) => {
        const entries = entriesOf(bytes);
        return Buffer.concat(entries.with(10, entries[11]!));
      }),
  ],
  'a bundle cut short': [
    /entr(y|ies) (25[0-5]|2[0-4]\d|1\d\d)/,
    (log) => truncateSync(join(log, bundle(0)), readFileSync(join(log, bundle(0))).length - 100),
  ],
  'a bundle deleted': [/entries 0 to 255:/, (log) => rmSync(join(log, bundle(0)))],
  'two bundles exchanged': [
    /entr(y 0|ies 0 to \d+):/,
    (log) => {
      renameSync(join(log, bundle(0)), join(log, 'kept'));
      renameSync(join(log, bundle(1)), join(log, bundle(0)));
      renameSync(join(log, 'kept'), join(log, bundle(1)));
    },
  ],
  'a hash edited': [
    /entry 5:/,
    (log) =>
      change(join(log, 'tile/0/000'), (bytes) => {
        bytes[5 * 32 + 3]! ^= 1;
        return bytes;
      }),
  ],
  'two hashes exchanged': [
    /entry 5:[\s\S]*entry 6:/,
    (log) =>
      change(join(log, 'tile/0/000'), (bytes) => {
        const five = Buffer.from(bytes.subarray(160, 192));
        bytes.copy(bytes, 160, 192, 224);
        five.copy(bytes, 192);
        return bytes;
      }),
  ],
  'hashes cut short': [/entr(y|ies) \d+/, (log) => truncateSync(join(log, 'tile/0/000'), 8_000)],
  'hashes deleted': [/entr(y 0|ies 0 to \d+)/, (log) => rmSync(join(log, 'tile/0/000'))],
  'an entry of the journal edited': [
    /entr(y|ies) 5\d\d/,
    (log) => change(newestSegment(log), (bytes) => edited(bytes, '"subject":"subject-279')),
  ],
  'the journal cut short': [
    /entr(y|ies) 5\d\d/,
    (log) => truncateSync(newestSegment(log), usedBytes(readFileSync(newestSegment(log))) - 3_000),
  ],
  'the journal deleted': [/entr(y|ies) 5\d\d/, (log) => rmSync(join(log, 'journal'), { recursive: true })],
  'the checkpoint edited': [
    /entr(y|ies) \d+/,
    (log) => change(join(log, 'checkpoint'), (bytes) => edited(bytes, `\n${size}`.slice(0, 3))),
  ],
  'the checkpoint deleted': [/entr(y|ies) \d+/, (log) => rmSync(join(log, 'checkpoint'))],
  'the checkpoint cut short': [/entr(y|ies) \d+/, (log) => truncateSync(join(log, 'checkpoint'), 60)],
};

const verify = (log: string) =>
  run(process.execPath, [ron, 'audit', 'verify', log, '--key', key], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
  });

function copyOf(folder: TempFolder): string {
  cpSync(folders.join('node'), folder.join('node'), { recursive: true });
  return folder.join('node');
}

describe('ron audit verify on the folder of a stopped node ends with 7 and names the index of', () => {
  for (const [what, [names, attack]] of Object.entries(attacks)) {
    it(what, async () => {
      using copies = tempFolder();
      const log = join(copyOf(copies), 'audit');
      attack(log);
      const before = stateOf(log);
      const { code, stdout } = await verify(log);
      expect(`${code}\n${stdout.toString()}`).toMatch(/^7\n/);
      expect(stdout.toString()).toMatch(names);
      expect(stateOf(log)).toEqual(before);
    });
  }

  it('nothing, of one that nobody touched: 0', async () => {
    const { code, stdout } = await verify(join(folders.path, 'node/audit'));
    expect([code, stdout.toString()]).toEqual([0, expect.stringContaining(`${size} entries`)]);
  });

  it('one that was put back as a whole to an earlier time, for who kept a checkpoint', async () => {
    using copies = tempFolder();
    const folder = copyOf(copies);
    cpSync(join(folder, 'audit'), copies.join('earlier'), { recursive: true });
    {
      await using node = await startNodeProcess({ args: ['--persist', folder] });
      for (let more = 0; more < 3; more++) await issue(node, {});
    }
    copyFileSync(join(folder, 'audit/checkpoint'), copies.join('checkpoint'));
    const args = ['audit', 'verify', copies.join('earlier'), '--key', key, '--checkpoint', copies.join('checkpoint')];
    expect((await run(process.execPath, [ron, ...args])).code).toBe(7);
  });
});

const unusable: Record<string, (log: string) => void> = {
  'its end': (log) => attacks['the journal cut short']![1](log),
  'its checkpoint': (log) => {
    for (const name of ['checkpoint', 'checkpoint.copy']) rmSync(join(log, name));
  },
  'its hashes': (log) => rmSync(join(log, 'tile/0/000')),
};
describe('a node whose log has lost', () => {
  for (const [what, attack] of Object.entries(unusable)) {
    it(`${what} is red, refuses what is privileged with 503, and serves data`, async () => {
      using copies = tempFolder();
      const folder = copyOf(copies);
      attack(join(folder, 'audit'));
      const log = join(folder, 'audit');
      const found = (await verify(log)).stdout.toString();
      const files = () => Object.keys(stateOf(log)).filter((path) => path !== '.lock');
      const before = files();
      await using node = await startNodeProcess({ args: ['--persist', folder, '--set', 'server.log_level=info'] });
      const ready = await call(node, 'GET', '/readyz', { token: '' });
      expect(ready.status).toBe(503);
      expect(ready.body.toString()).toMatch(/"gate":"audit[^"]*","ok":false/);
      const privileged: [string, unknown][] = [
        ['/passport/issue', { subject: 'x', rights: [{ methods: ['read'], prefix: '' }] }],
        ['/passport/revoke', { capability_id: passport.capability_id }],
        ['/kms/keys', { tenant: 'acme', purpose: 'invoices', alg: 'ed25519' }],
        ['/registry/proposals', { expected_version: 1, changes: [] }],
      ];
      for (const [target, body] of privileged) {
        const reply = await post(node, target, body);
        expect([target, reply.status]).toEqual([target, 503]);
        expect(envelopeOf(reply)).toMatchObject({ code: 'unavailable', details: { gate: 'audit' } });
      }
      // Nothing of it has happened.
      expect(await ok(call(node, 'GET', '/kms/keys?tenant=acme'))).toMatchObject({ keys: [] });
      expect((await call(node, 'GET', `/o/${stored}`, { token: passport.capability })).body.toString()).toBe('kept');
      expect((await call(node, 'PUT', '/put', { body: 'data goes on' })).status).toBe(201);
      await eventually(
        async () => ((await metricsOf(node.port)).get('audit_refused_total') ?? 0) >= privileged.length,
        {
          what: 'refusals are counted',
        },
      );
      node.kill('SIGTERM');
      await node.exited;
      // And what an auditor finds is what was to be found before.
      expect(files()).toEqual(before);
      expect((await verify(log)).stdout.toString()).toBe(found);
    });
  }
});
