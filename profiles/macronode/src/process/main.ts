import {
  type ConfigSources,
  createBus,
  createConfig,
  createMetrics,
  type KernelEvent,
  reloadConfig,
  type Timer,
} from '@ron/kernel';
import { createLoadMeter, createLog, createRealClock, createRealEnv, measureProcess } from '@ron/kernel/real';
import { startFailure } from '@ron/micronode/start-failure';
import { macronodeTables } from '../config.ts';
import type { Role } from '../topology.ts';
import type { FromProcess, StartOrder, ToProcess } from './messages.ts';
import { loadRole, type ServedRole, serveRole } from './run-role.ts';

/**
 * One process of a macronode: `main.js <role>`, started by the launcher and spoken to over its channel. Without the launcher it
 * has nothing to do: when the channel ends, it stops.
 */
const gatesEveryMs = 500;
const orphanMsMax = 3_000;

const [role] = process.argv.slice(2) as [Role];
let served: ServedRole | undefined;
let stopping: Promise<void> | undefined;
let reload: (text: string) => void = () => undefined;
let gatesTimer: Timer | undefined;
let toldGates = '';

// A terminal's Ctrl-C reaches all processes of the group: in which order they stop, the launcher says.
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);
process.on('SIGTERM', () => void stop());
process.on('disconnect', () => {
  // Nobody starts another one in its place or waits for it: what it was doing is not worth more than a moment.
  createRealClock().after(orphanMsMax, () => process.kill(process.pid, 'SIGKILL'));
  void stop();
});

const loaded = loadRole(role);
process.on('message', (message) => void hear(message as ToProcess));
await loaded;
tell({ kind: 'loaded' });

async function hear(message: ToProcess): Promise<void> {
  if (message.kind === 'start') await begin(message);
  else if (message.kind === 'config') reload(message.text);
  else if (message.kind === 'cluster') served?.cluster(message.gates);
  else if (message.kind === 'stop') await stop();
  else {
    await served?.pause(message.target, message.kind === 'pause');
    tell({ kind: 'done', id: message.id });
  }
}

async function begin(order: StartOrder): Promise<void> {
  await using stack = new AsyncDisposableStack();
  try {
    const bus = createBus<KernelEvent>();
    const config = createConfig(macronodeTables, sourcesOf(order), bus);
    const { log_level } = config.table('server').current();
    const { allow_remote, tls_cert } = config.table('front').current();
    const log = createLog({ level: log_level }).child({ process: order.name });
    const accessLog = createLog({ level: log_level === 'silent' ? 'silent' : 'info' }).child({ process: order.name });
    const env = createRealEnv({ root: order.dataFolder, httpBeyondLoopback: allow_remote || tls_cert !== '' });
    const metrics = createMetrics();
    stack.use(measureProcess(metrics));
    const load = createLoadMeter();
    stack.use(load);
    const base = { order, env, config, log, accessLog, metrics, bus, load };
    const startRole = await loaded;
    served = await serveRole(startRole, { ...base, stack: stack.move() });
    if (stopping !== undefined) {
      // It was told to while it started.
      await served[Symbol.asyncDispose]();
      return leave();
    }
    reload = (text) => reloadConfig(config, text, log);
    tell({ kind: 'started', facts: served.facts });
    tellGates();
    const again = (): void => {
      gatesTimer = env.clock.after(gatesEveryMs, () => {
        tellGates();
        again();
      });
    };
    again();
  } catch (error) {
    tell({ kind: 'failed', ...startFailure(error, order.name) });
    leave();
  }
}

function sourcesOf({ sources, addresses: { http, oap } = {} }: StartOrder): ConfigSources {
  const bound = {
    ...(http === undefined ? {} : { 'front.listen': http }),
    ...(oap === undefined ? {} : { 'front.oap_listen': oap }),
  };
  return { ...sources, flags: { ...sources.flags, ...bound } };
}

/** Everything is drained, flushed and closed once; then nothing keeps the process alive. */
function stop(): Promise<void> {
  stopping ??= (async () => {
    gatesTimer?.cancel();
    await served?.[Symbol.asyncDispose]();
    leave();
  })();
  return stopping;
}

function leave(): void {
  if (process.connected) process.disconnect?.();
}

function tellGates(): void {
  const gates = served?.gates() ?? [];
  const text = JSON.stringify(gates);
  if (text === toldGates) return;
  toldGates = text;
  tell({ kind: 'gates', gates });
}

function tell(message: FromProcess): void {
  // Without the channel there is nobody to tell: `disconnect` stops the process.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
