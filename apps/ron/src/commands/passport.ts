import type { Revoked } from '@ron/app-sdk';
import type { Profile } from '@ron/proto/passport';
import { usageError } from '../cli-error.ts';
import { formatCount, formatTime } from '../output/format.ts';
import { printRows } from '../output/streamed-table.ts';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';

export interface RevokeFlags {
  readonly id?: string;
  readonly subject?: string;
  readonly tenant?: string;
  readonly kid?: string;
  readonly family?: string;
}

export async function runRevoke({ client, output, signal }: Session, _args: string[], flags: RevokeFlags) {
  const revoked = await client.passport.revoke(whatOf(flags), { signal });
  output.result(revoked, () => {
    const { seq, entries, families } = revoked;
    const kinds = `${formatCount(entries, 'entry').replace('entrys', 'entries')} of the feed, up to ${seq}`;
    return `revoked: ${kinds}; ${formatCount(families, 'passport')} can no longer be renewed`;
  });
  if (revoked.families === 0 && flags.subject !== undefined) {
    output.note(`the node has no passport of "${flags.subject}": check the spelling with: ron passport list`);
  }
  return undefined;
}

function whatOf({ id, subject, tenant, kid, family }: RevokeFlags): Revoked {
  if ([id, subject, kid, family].filter((each) => each !== undefined).length !== 1) {
    throw usageError('say one of --id, --subject, --kid and --family', 'ron passport revoke --help');
  }
  if (tenant !== undefined && subject === undefined) {
    throw usageError('--tenant belongs to --subject', 'ron passport revoke --help');
  }
  if (id !== undefined) return { capability_id: id };
  if (subject !== undefined) return { subject, ...(tenant === undefined ? {} : { tenant }) };
  return kid === undefined ? { family: family! } : { kid };
}

export async function runShow({ client, output, signal }: Session, [subject]: string[], flags: { tenant?: string }) {
  const { tenant } = flags;
  const who = { ...(subject === undefined ? {} : { subject }), ...(tenant === undefined ? {} : { tenant }) };
  const profile = await client.passport.profile(who, { signal });
  output.result(profile, () => renderFields(fieldsOf(profile)));
  return undefined;
}

function fieldsOf(profile: Profile): [string, string][] {
  const { subject, tenant, kind, display_name, keys, created_at } = profile;
  return [
    ['subject', subject],
    ['tenant', tenant === '' ? '(none)' : tenant],
    ['kind', kind],
    ...(display_name === undefined ? [] : ([['name', display_name]] as [string, string][])),
    ['keys', keys.length === 0 ? '(none)' : keys.join(' ')],
    ['since', formatTime(created_at)],
  ];
}

export async function runList({ client, output, signal }: Session) {
  const columns = [{ title: 'subject' }, { title: 'tenant' }, { title: 'kind' }, { title: 'since' }];
  await printRows(output, columns, client.passport.list({ signal }), (profile) => ({
    cells: [profile.subject, profile.tenant, profile.kind, formatTime(profile.created_at)],
    json: profile,
  }));
  return undefined;
}
