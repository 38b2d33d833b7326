import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createConfig, createMetrics, reloadConfig } from '@ron/kernel';
import {
  createLoadMeter,
  createLog,
  createRealEnv,
  isPublicAddress,
  measureProcess,
  waitForShutdown,
  watchConfigFile,
} from '@ron/kernel/real';
import type { PassportStore } from '@ron/svc-passport/service';
import { banner } from './banner.ts';
import { micronodeTables } from './config.ts';
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
  // What `access_log` asks for is written whatever the level of the other lines.
  const accessLog = createLog({ level: node.log_level === 'silent' ? 'silent' : 'info' });
  const folder = flags.persist === undefined ? undefined : resolve(flags.persist);
  const env = createRealEnv({
    ...(folder === undefined ? {} : { root: folder }),
    httpBeyondLoopback: node.allow_remote,
  });
  using _gauges = measureProcess(metrics);
  using load = createLoadMeter();
  metrics
    .gauge('amnesia_mode', '1 when nothing is kept')
    .labels()
    .set(folder === undefined ? 1 : 0);
  const engines = await openEngines(env, config, log, folder === undefined ? undefined : join(folder, 'names'));
  {
    const stopped = waitForShutdown();
    await using running = await startMicronode({
      ...{ env, config, log, accessLog, engines, bus, metrics, load },
      mayDial: isPublicAddress,
    });
    using _watch =
      file === undefined
        ? undefined
        : watchConfigFile(
            file,
            env.clock,
            (text) => reloadConfig(config, text, log),
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
        bootstrapSecret: folder === undefined ? undefined : await bootstrapSecretOf(running.trust.passports),
        startedInMs: process.uptime() * 1_000,
        oap:
          running.oap === undefined
            ? undefined
            : running.oap.kind === 'unix'
              ? `unix:${running.oap.path}`
              : `${running.oap.host}:${running.oap.port}`,
        contact: running.contact && `${running.contact.id}@${running.contact.address}`,
      }),
    );
    const signal = await stopped;
    process.stderr.write(`${signal}: stopping; running requests get up to ${node.drain_ms / 1_000} s\n`);
  }
}

/** Until there is an administrator each start makes a new secret: nobody has to keep one that was not used. */
async function bootstrapSecretOf(passports: PassportStore): Promise<string | undefined> {
  const secret = passports.bootstrapSecret() ?? (await passports.renewBootstrapSecret());
  return secret?.text();
}

function configFileOf({ configFile, persist }: Flags): string | undefined {
  if (configFile !== undefined) return resolve(configFile);
  const inFolder = persist === undefined ? undefined : resolve(persist, 'config.toml');
  return inFolder !== undefined && existsSync(inFolder) ? inFolder : undefined;
}

main().catch((error: unknown) => {
  const { text, exitCode } = startFailure(error);
  process.stderr.write(text);
  process.exitCode = exitCode;
});
