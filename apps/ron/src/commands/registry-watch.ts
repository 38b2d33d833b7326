import { readFile, writeFile } from 'node:fs/promises';
import type { FollowOptions } from '@ron/app-sdk';
import { usageError } from '../cli-error.ts';
import { formatTime } from '../output/format.ts';
import type { Session } from '../session.ts';
import { parseWholeNumber } from '../values/whole-number.ts';

export interface WatchFlags {
  readonly pin?: string;
  readonly trust?: string;
  readonly state?: string;
  readonly count?: string;
}

type Trusted = Pick<FollowOptions, 'trusted' | 'from'>;

/** Each new snapshot, every step checked: what goes back, forks or is signed by too few ends it with its reason. */
export async function runWatch(session: Session, _args: string[], flags: WatchFlags) {
  const { client, output, signal } = session;
  const state = flags.state === undefined ? undefined : await readState(flags.state);
  let left =
    flags.count === undefined ? Number.POSITIVE_INFINITY : parseWholeNumber(flags.count, 'count', 1, 1_000_000);
  const snapshots = client.registry.follow({
    signal,
    ...(await trustOf(session, flags, state !== undefined)),
    ...(state === undefined ? {} : { state }),
    onBreak: (error) => output.note(`${error?.message ?? 'the node ended the stream'}: trying again`),
  });
  for await (const { id, version, snapshot, state: next } of snapshots) {
    if (flags.state !== undefined) await writeFile(flags.state, next);
    const { issued_at, expires_at, descriptors } = snapshot;
    output.result({ version, id, issued_at, expires_at, descriptors: descriptors.length }, () =>
      [version, id, `${descriptors.length} descriptors`, `until ${formatTime(expires_at)}`].join('  '),
    );
    left -= 1;
    if (left <= 0) break;
  }
  return undefined;
}

async function trustOf({ client, output, signal }: Session, flags: WatchFlags, held: boolean): Promise<Trusted> {
  if (flags.pin !== undefined && flags.trust !== undefined) {
    throw usageError('--pin and --trust exclude each other', 'ron registry watch --help');
  }
  if (flags.pin !== undefined) return { trusted: { id: flags.pin } };
  if (flags.trust !== undefined) {
    const { signers, threshold } = JSON.parse(await readFile(flags.trust, 'utf8'));
    return { trusted: { signers, threshold } };
  }
  const { id, version } = await client.registry.head({ signal });
  if (!held) output.warn(`nothing is trusted yet: version ${version} is taken as it is. Better: --pin or --trust`);
  return { trusted: { id }, from: version };
}

async function readState(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw thrown;
  }
}
