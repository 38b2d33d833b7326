import { join } from 'node:path';
import { openNames } from '@ron/micronode/engines';
import { trustContract } from '@ron/proto/trust';
import { index } from '@ron/svc-index/service';
import { followTrust } from '@ron/svc-trust/service';
import type { RoleParts, RunningRole } from '../process/parts.ts';
import { host } from './hosting.ts';

export async function startIndex(parts: RoleParts): Promise<RunningRole> {
  const { env, config, log, metrics, order, stack } = parts;
  const peer = parts.pool('trust').peer(trustContract);
  const trust = stack.use(await followTrust({ env, log, metrics, peer }));
  const onDisk = config.table('topology').current().engines === 'disk';
  const names = await openNames(parts, config, onDisk ? join(order.dataFolder, 'names') : undefined);
  const engines = { names, signer: trust.names };
  const hosted = await host(index, parts, { config: config.table('index'), engines });
  return { hosted: [hosted], privately: [hosted.dispatcher] };
}
