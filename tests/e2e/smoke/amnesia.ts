import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from '@ron/app-sdk/node';
import { startNodeProcess } from '../../support/node-process.ts';
import { findProgram } from '../../support/programs.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import type { Checks } from './checks.ts';

const calls =
  'open,openat,openat2,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,truncate,ftruncate,mknod,mknodat';
/** Devices keep nothing. */
const device = /"\/dev\/(null|tty|urandom|random|ptmx)"/;

/** Traces the system calls of a node in RAM from its start to its stop: nothing may change the file system. */
export async function checkAmnesia(checks: Checks): Promise<void> {
  const what = 'amnesia: no file is opened for writing';
  const strace = findProgram('strace');
  if (strace === undefined) return checks.cannotRun(what, 'strace is not installed');
  using folder = tempFolder();
  const trace = folder.join('trace');
  const probe = await tracedNode(strace, trace).catch((error: Error) => error);
  if (probe instanceof Error) return checks.cannotRun(what, probe.message.split('\n')[0]!);
  await checks.check(`${what} over start, put, get, name, stop`, async () => {
    {
      await using node = probe;
      await using client = connect({ url: node.url, capability: node.capability });
      const { address } = await client.blobs.put(new Uint8Array(200_000));
      await client.names.set('kept/in/ram', address);
      assert.equal((await (await client.names.get('kept/in/ram')).bytes()).byteLength, 200_000);
      // strace lets no signal end it while its program runs, so the node itself is told to stop.
      node.kill('SIGTERM');
      assert.equal((await node.exited).code, 0);
    }
    const lines = readFileSync(trace, 'utf8').split('\n');
    const opened = lines.filter((line) => /\bopen(at2?)?\(/.test(line));
    assert.ok(opened.length > 20, `the trace has only ${opened.length} opened files: it saw nothing`);
    assert.deepEqual(lines.filter(changesFiles), []);
  });
}

function tracedNode(strace: string, trace: string) {
  return startNodeProcess({ wrapper: [strace, '-f', '-qq', '-e', `trace=${calls}`, '-o', trace] });
}

/** A call that succeeded and could leave something behind. */
export function changesFiles(line: string): boolean {
  const call = /^\d+\s+(?:<\.\.\. )?(\w+)/.exec(line)?.[1];
  if (call === undefined || /= -1 E/.test(line) || device.test(line)) return false;
  return call.startsWith('open') ? /O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)/.test(line) : /\(/.test(line);
}
