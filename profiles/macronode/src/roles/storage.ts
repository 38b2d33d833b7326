import { openBlobs } from '@ron/micronode/engines';
import { storage } from '@ron/svc-storage/service';
import type { RoleParts, RunningRole } from '../process/parts.ts';
import { durabilityOf } from './durability.ts';
import { host } from './hosting.ts';

export async function startStorage(parts: RoleParts): Promise<RunningRole> {
  const { env, config, log, stack } = parts;
  const blobs = stack.use(await openBlobs({ env, log, durability: durabilityOf(config) }, config));
  const hosted = await host(storage, parts, { config: config.table('storage'), engines: { blobs } });
  return { hosted: [hosted], privately: [hosted.dispatcher] };
}
