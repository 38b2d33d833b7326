import { controlBytesUnderPolicy } from '@ron/micronode/policy-overlay';
import { publicEdge } from '@ron/micronode/public-edge';
import { edge } from '@ron/svc-edge/service';
import type { RoleParts, RunningRole } from '../process/parts.ts';
import { openDecisions } from './decisions.ts';
import { host } from './hosting.ts';

export async function startEdge(parts: RoleParts): Promise<RunningRole> {
  const { config } = parts;
  const { trust, authenticator } = await openDecisions(parts);
  const stages = { authenticator, policy: trust.policy.stage, audit: trust.audit };
  const engines = { cache: { bytesMax: config.table('topology').current().edge_cache_bytes } };
  const hosted = await host(edge, parts, { config: config.table('edge'), engines, stages });
  return {
    hosted: [hosted],
    privately: [hosted.dispatcher],
    publicly: [publicEdge(hosted.dispatcher)],
    controlBytesMax: () => controlBytesUnderPolicy(trust.policy),
  };
}
