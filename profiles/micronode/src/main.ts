import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Config, createConfig, createMetrics, type Log } from '@ron/kernel';
import { createLog, createRealEnv, measureProcess, waitForShutdown, watchConfigFile } from '@ron/kernel/real';
import { banner } from './banner.ts';
import { type MicronodeTables, micronodeTables } from './config.ts';
import { openEngines } from './engines.ts';
import { type Flags, parseFlags, usage } from './flags.ts';
import { createNodeBus, startMicronode } from './node.ts';
import { startFailure } from './start-failure.ts';

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  if (flags.help) {
    process.stdout.write(usage);
    return;
  }
  const file = configFileOf(flags);
  const metrics = createMetrics();
  const bus = createNodeBus(metrics);
  const config = createConfig(
    micronodeTables,
    {
      file: file === undefined ? undefined : { name: file, text: readFileSync(file, 'utf8') },
      environment: process.env,
      flags: flags.overrides,
    },
    bus,
  );
  const node = config.table('server').current();
  const log = createLog({ level: node.log_level });
  const folder = flags.persist === undefined ? undefined : resolve(flags.persist);
  const env = createRealEnv({
    ...(folder === undefined ? {} : { root: folder }),
    httpBeyondLoopback: node.allow_remote,
  });
  using _gauges = measureProcess(metrics);
  metrics
    .gauge('amnesia_mode', '1 when nothing is kept')
    .labels()
    .set(folder === undefined ? 1 : 0);
  const engines = await openEngines(env, config, log, folder === undefined ? undefined : join(folder, 'names'));
  {
    const stopped = waitForShutdown();
    await using running = await startMicronode({ env, config, log, engines, bus, metrics });
    using _watch =
      file === undefined
        ? undefined
        : watchConfigFile(
            file,
            env.clock,
            (text) => reload(config, text, log),
            (err) => log.error({ err }, 'the configuration file cannot be read'),
          );
    const { host, port } = running.http as { host: string; port: number };
    const capability = running.authority.mint({
      subject: 'owner',
      rights: [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }],
      expiresMs: env.clock.wallMs() + node.owner_capability_days * 86_400_000,
    });
    process.stdout.write(
      banner({
        url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
        capability,
        capabilityDays: node.owner_capability_days,
        folder,
        startedInMs: process.uptime() * 1_000,
        oap:
          running.oap === undefined
            ? undefined
            : running.oap.kind === 'unix'
              ? `unix:${running.oap.path}`
              : `${running.oap.host}:${running.oap.port}`,
      }),
    );
    const signal = await stopped;
    process.stderr.write(`${signal}: stopping; running requests get up to ${node.drain_ms / 1_000} s\n`);
  }
}

function configFileOf({ configFile, persist }: Flags): string | undefined {
  if (configFile !== undefined) return resolve(configFile);
  const inFolder = persist === undefined ? undefined : resolve(persist, 'config.toml');
  return inFolder !== undefined && existsSync(inFolder) ? inFolder : undefined;
}

function reload(config: Config<MicronodeTables>, text: string, log: Log): void {
  const result = config.reload(text);
  if (!result.ok) log.error({ problems: result.problems }, 'the new configuration is not valid: the old one stays');
  else if (result.changed.length + result.ignored.length > 0)
    log.warn({ changed: result.changed, needs_restart: result.ignored }, 'configuration reloaded');
}

main().catch((error: unknown) => {
  const { text, exitCode } = startFailure(error);
  process.stderr.write(text);
  process.exitCode = exitCode;
});
