import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { CliError } from '../cli-error.ts';
import type { CheckedFinding } from '../commands/doctor.ts';
import { exitCodes } from '../exit-codes.ts';
import { nativeHasher } from '../native-hasher.ts';
import { formatBytes } from '../output/format.ts';
import type { Session } from '../session.ts';

const nodeMajorMin = 24;
const freeBytesLow = 1_024 ** 3;

/** What can be said without the node. */
export async function* machineChecks(session: Session): AsyncGenerator<CheckedFinding> {
  yield nodeBinary();
  yield hasher();
  yield url(session);
  yield* disk();
}

function nodeBinary(): CheckedFinding {
  const check = 'node binary';
  const detail = `${process.versions.node} at ${process.execPath}`;
  if (Number.parseInt(process.versions.node, 10) >= nodeMajorMin) return { check, verdict: 'ok', detail };
  return { check, verdict: 'fail', detail, fix: 'npm ci', exit: exitCodes.configuration };
}

function hasher(): CheckedFinding {
  const check = 'hashing';
  if (nativeHasher() !== undefined) return { check, verdict: 'ok', detail: 'native BLAKE3' };
  const detail = 'the portable BLAKE3: right, but several times slower';
  return { check, verdict: 'warn', detail, fix: 'npm ci   (on a platform with a native package)' };
}

function url({ settings }: Session): CheckedFinding {
  const check = 'url';
  try {
    const { value, source } = settings.url;
    const { hostname } = new URL(value);
    const local = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
    const detail = `${value} (${source})`;
    if (local) return { check, verdict: 'ok', detail };
    return {
      check,
      verdict: 'warn',
      detail: `${detail}: your capability travels there unencrypted`,
      fix: `ssh -L 9600:127.0.0.1:9600 ${hostname}   then: export RON_NODE_URL=http://127.0.0.1:9600`,
    };
  } catch (thrown) {
    if (!(thrown instanceof CliError)) throw thrown;
    return { check, verdict: 'fail', detail: thrown.message, fix: thrown.next, exit: thrown.exitCode };
  }
}

async function* disk(): AsyncGenerator<CheckedFinding> {
  const folders = new Map([
    ['disk here', process.cwd()],
    ['disk for temporary files', tmpdir()],
  ]);
  for (const [check, folder] of folders) {
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    const detail = `${formatBytes(free)} free at ${folder}`;
    yield free >= freeBytesLow
      ? { check, verdict: 'ok', detail }
      : { check, verdict: 'warn', detail, fix: `df -h ${folder}   (make room: downloads land here)` };
  }
}
