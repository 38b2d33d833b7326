import type { Contract, Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import {
  type Authenticator,
  type HostedService,
  type HostOptions,
  hostService,
  type LiveConfig,
  type Service,
} from '@ron/service';
import type { RoleParts } from '../process/parts.ts';
import type { Role } from '../topology.ts';

type Stages = Partial<Pick<HostOptions, 'authenticator' | 'policy' | 'audit' | 'admit' | 'pressure'>>;

export interface Hosting {
  readonly config: LiveConfig<unknown>;
  readonly engines: unknown;
  /** Absent: nobody from outside may ask, only processes of the node. */
  readonly stages?: Stages;
}

/** A service in its process: what it uses, it asks other processes for. It is disposed with the stack. */
export async function host(
  service: Service,
  parts: RoleParts,
  { config, engines, stages }: Hosting,
): Promise<HostedService> {
  const { env, bus, metrics, log, stack } = parts;
  const { inflight_max, drain_ms } = parts.config.table('server').current();
  const peers: Record<string, Peer<Contract>> = {};
  for (const [key, contract] of Object.entries(service.uses)) {
    peers[key] = parts.pool(contract.name as Role).peer(contract);
  }
  const common = { env, bus, metrics, log, inflightMax: inflight_max, drainMs: drain_ms };
  const options = { ...common, authenticator: nobody, ...stages };
  return stack.use(await hostService(service, options, { config, peers, engines }));
}

const nobody: Authenticator = {
  authenticate(): never {
    throw new RonError('unauthenticated', 'a valid capability is required');
  },
};
