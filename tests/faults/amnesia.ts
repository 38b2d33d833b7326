import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startNodeProcess } from '../support/node-process.ts';
import { call, put, setName } from './client.ts';
import { contentOf } from './contents.ts';
import { system } from './programs.ts';
import { countsOf, must, type Scenario, temporaryFolder } from './scenario.ts';

/** Every call by which a file can be made, opened for writing, or changed by its name. */
const traced =
  'open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,truncate,unlink,unlinkat,memfd_create';

/** Devices and the kernel's own files keep nothing. */
const keepsNothing = /"(\/dev\/(null|tty|pts\/\d+|urandom|shm\/)|\/proc\/|\/sys\/)/;

export const amnesia: Scenario = {
  name: 'amnesia',
  summary: 'system calls of a RAM node over start, put, get, name, stop',
  async run() {
    system('amnesia', 'strace', '-V');
    using folder = temporaryFolder('amnesia');
    const trace = join(folder.path, 'trace');
    let size = 0;
    {
      await using node = await startNodeProcess({
        wrapper: ['strace', '-f', '-qq', '-o', trace, '-e', `trace=${traced}`],
        startTimeoutMs: 60_000,
      });
      for (const bytes of [1, 70_000, 5_000_000].map((length) => contentOf(length, length))) {
        const address = await put(node, bytes);
        const reply = await call(node, 'GET', `/o/${address}`);
        must(reply.body.equals(bytes), 'the bytes come back');
        await setName(node, 'amnesia/one', address);
        must((await call(node, 'GET', '/n/amnesia/one')).status === 200, 'the name is served');
        size += bytes.length;
      }
    }
    const lines = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes('('));
    must(
      lines.some((line) => line.includes('O_RDONLY')),
      'the trace has calls in it',
    );
    const writes = lines.filter((line) => changesSomething(line) && !keepsNothing.test(line));
    must(writes.length === 0, `the node wrote: ${writes.slice(0, 5).join(' | ')}`);
    return countsOf({ 'calls traced': lines.length, 'bytes stored': size, 'files opened for writing or made': 0 });
  },
};

function changesSomething(line: string): boolean {
  if (/ = -1 /.test(line)) return false;
  if (/\bopen(at2?|at)?\(/.test(line)) return /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE/.test(line);
  return /\b(creat|mkdir|mkdirat|mknod|mknodat|rename|renameat2?|link|linkat|symlink|symlinkat|truncate|unlink|unlinkat)\(/.test(
    line,
  );
}
