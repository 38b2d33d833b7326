import { resolve } from 'node:path';
import { connectLauncher, type LauncherClient } from '@ron/macronode/control';
import { RonError } from '@ron/proto/errors';
import type { ProcessView } from '@ron/proto/processes';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { renderTable } from '../output/table.ts';
import type { Session } from '../session.ts';

interface Flags {
  readonly folder?: string;
}

const titles = ['process', 'state', 'pid', 'up', 'crashes', 'restarts', 'services', 'reason'] as const;

export async function runList(session: Session, _args: string[], flags: Flags) {
  const folder = folderOf(session, flags);
  await using launcher = connectLauncher(folder);
  const { processes } = await asked(folder, launcher, (peer) => peer.list({}));
  print(session, processes);
  // For scripts: a macronode that is not ready is no success.
  return processes.every(({ ready }) => ready) ? exitCodes.ok : exitCodes.unavailable;
}

export async function runRestart(session: Session, [process]: string[], flags: Flags) {
  const folder = folderOf(session, flags);
  await using launcher = connectLauncher(folder);
  const input = process === undefined ? {} : { process };
  const { processes } = await asked(folder, launcher, (peer) => peer.restart(input));
  print(session, process === undefined ? processes : processes.filter((one) => one.process === process));
  return undefined;
}

function folderOf({ environment }: Session, { folder }: Flags): string {
  return resolve(folder ?? environment['RON_MACRONODE_FOLDER'] ?? './ron-macronode');
}

async function asked<T>(
  folder: string,
  { processes }: LauncherClient,
  ask: (peer: LauncherClient['processes']) => Promise<T>,
): Promise<T> {
  try {
    return await ask(processes);
  } catch (cause) {
    if (!(cause instanceof RonError) || cause.code !== 'unavailable' || cause.details !== undefined) throw cause;
    throw new CliError(exitCodes.unavailable, `no macronode runs with its data in ${folder}`, {
      why: 'its launcher does not answer',
      next: 'ron ps --folder DIR, or ron up --profile macro',
      cause,
    });
  }
}

function print({ output }: Session, processes: readonly ProcessView[]): void {
  if (output.json) {
    for (const process of processes) output.result(process, () => '');
    return;
  }
  const rows = processes.map((one) => [
    one.process,
    one.ready || one.state !== 'running' ? one.state : 'not ready',
    `${one.pid ?? '-'}`,
    `${Math.floor(one.uptime_ms / 1_000)} s`,
    `${one.crashes}`,
    `${one.restarts}`,
    one.services.join(' '),
    one.reason ?? '',
  ]);
  output.stdout.write(
    `${renderTable(
      titles.map((title) => ({ title })),
      rows,
    )}\n`,
  );
}
