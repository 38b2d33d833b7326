import { createBus, createMetrics, type Env, type KernelEvent, type Log } from '@ron/kernel';
import { processesContract } from '@ron/proto/processes';
import { bindOapServer, defineService, hostService, type Ports, uuidV7 } from '@ron/service';
import { type Static, Type } from 'typebox';
import { version } from '../version.ts';
import type { Launcher } from './launcher.ts';

interface ControlEngines {
  readonly launcher: Launcher;
}

const NoConfig = Type.Object({}, { additionalProperties: false });
type ControlPorts = Ports<Static<typeof NoConfig>, Record<never, never>, ControlEngines>;

const processes = defineService({
  contract: processesContract,
  config: NoConfig,
  uses: {},
  async start({ engines: { launcher } }: ControlPorts) {
    const list = () => [...launcher.list()];
    return {
      handlers: {
        list: () => {
          const { url } = launcher.facts;
          return { processes: list(), ...(url === undefined ? {} : { url }) };
        },
        restart: async ({ process }) => {
          await launcher.restart(process);
          return { processes: list() };
        },
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
});

/** Below the run folder. */
export function controlSocket(runFolder: string): string {
  return `${runFolder}/launcher.sock`;
}

/** Answers `ron ps` and `ron restart` on a socket that only this user can open: whoever can is the operator. */
export async function serveControl(
  launcher: Launcher,
  runFolder: string,
  { env, log }: { readonly env: Env; readonly log: Log },
): Promise<AsyncDisposable> {
  const metrics = createMetrics();
  const operator = { subject: 'operator', capabilityId: 'operator', tenant: '', limits: {}, allows: () => true };
  const host = { env, log, metrics, bus: createBus<KernelEvent>(), authenticator: { authenticate: () => operator } };
  const never = { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) };
  const hosted = await hostService(processes, host, { config: never, peers: {}, engines: { launcher } });
  return bindOapServer({
    ...{ env, log, metrics },
    address: { kind: 'unix', path: controlSocket(runFolder) },
    dispatchers: [hosted.dispatcher],
    identity: { server_version: version.version, node_id: uuidV7(env), transports: ['unix'], revocation_seq: 0 },
  });
}
