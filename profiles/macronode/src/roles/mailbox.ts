import { openMailboxes } from '@ron/micronode/engines';
import { underPolicy } from '@ron/micronode/policy-overlay';
import { trustContract } from '@ron/proto/trust';
import { mailbox } from '@ron/svc-mailbox/service';
import { followTrust } from '@ron/svc-trust/service';
import type { RoleParts, RunningRole } from '../process/parts.ts';
import { durabilityOf } from './durability.ts';
import { host } from './hosting.ts';

export async function startMailbox(parts: RoleParts): Promise<RunningRole> {
  const { env, config, log, metrics, stack } = parts;
  const peer = parts.pool('trust').peer(trustContract);
  const trust = stack.use(await followTrust({ env, log, metrics, peer }));
  const table = underPolicy(config.table('mailbox'), trust.policy);
  const place = { env, log, durability: durabilityOf(config) };
  const mailboxes = stack.use(await openMailboxes(place, config, () => table.current()));
  const hosted = await host(mailbox, parts, { config: table, engines: { mailboxes } });
  return { hosted: [hosted], privately: [hosted.dispatcher] };
}
