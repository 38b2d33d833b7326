import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createConfig, reloadConfig } from '@ron/kernel';
import { createLog, createRealEnv, waitForShutdown, watchConfigFile } from '@ron/kernel/real';
import { startFailure } from '@ron/micronode/start-failure';
import { banner } from './banner.ts';
import { macronodeTables } from './config.ts';
import { parseFlags, usage } from './flags.ts';
import { StartFailed } from './supervisor/child.ts';
import { serveControl } from './supervisor/control.ts';
import { Launcher } from './supervisor/launcher.ts';

/** The longest of the sockets' names below the folder, within the 107 bytes that Linux has for the whole. */
const folderBytesMax = 80;
const defaultFile = 'macronode.toml';

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  if (flags.help) {
    process.stdout.write(usage);
    return;
  }
  const name = flags.configFile ?? (existsSync(defaultFile) ? defaultFile : undefined);
  const file = name === undefined ? undefined : { name, text: readFileSync(name, 'utf8') };
  const environment = Object.fromEntries(Object.entries(process.env).filter(([key]) => key.startsWith('RON_')));
  const sources = { file, environment, flags: flags.overrides };
  const config = createConfig(macronodeTables, sources);
  const topology = config.table('topology').current();
  const settings = config.table('server').current();
  const log = createLog({ level: settings.log_level }).child({ process: 'launcher' });
  const env = createRealEnv();
  const folder = folderOf(topology.folder);
  const runFolder = `${folder}/run`;
  const stopped = waitForShutdown();
  const writeLog = (line: string) => void process.stderr.write(`${line}\n`);
  await using stack = new AsyncDisposableStack();
  const launcher = stack.use(new Launcher({ env, config, sources, folder, runFolder, log, writeLog }));
  // The socket is the lock of the folder: a second launcher finds somebody who answers.
  stack.use(await serveControl(launcher, runFolder, { env, log }));
  const started = launcher.start();
  const first = await Promise.race([stopped, started]);
  if (first === undefined) {
    const { facts } = launcher;
    process.stdout.write(
      banner({
        ...facts,
        processes: launcher.list().length,
        folder,
        durable: topology.engines === 'disk',
        capabilityDays: settings.owner_capability_days,
        startedInMs: process.uptime() * 1_000,
      }),
    );
    using _watch =
      name === undefined
        ? undefined
        : watchConfigFile(
            name,
            env.clock,
            (text) => {
              if (reloadConfig(config, text, log)) launcher.reload(text);
            },
            (err) => log.error({ err }, 'the configuration file cannot be read'),
          );
    await stopped;
  } else started.catch(() => undefined);
  process.stderr.write(`${await stopped}: stopping; running requests get up to ${settings.drain_ms / 1_000} s\n`);
}

function folderOf(text: string): string {
  const folder = resolve(text);
  if (Buffer.byteLength(folder) > folderBytesMax) {
    throw new RangeError(
      `topology.folder: ${folder} is longer than ${folderBytesMax} bytes, and sockets in it could not be opened`,
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

main().catch((error: unknown) => {
  const { text, exitCode } = error instanceof StartFailed ? error : startFailure(error, 'macronode');
  process.stderr.write(text);
  process.exitCode = exitCode;
});
