import { biscuitPrefix } from '@ron/cap';
import type { CapabilityView, Right } from '@ron/proto/capability';
import { CliError, configurationError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatBytes, formatDuration, formatTime } from '../output/format.ts';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';
import { parseByteCount } from '../values/byte-count.ts';
import { parseDurationMs } from '../values/duration.ts';
import { type RightTexts, rightsFromTexts } from '../values/right-prefix.ts';

export async function runShow(session: Session, [given]: string[], flags: { check?: boolean }) {
  if (flags.check && given !== undefined) {
    throw usageError('--check asks about your own capability', 'ron --cap … cap show --check');
  }
  const own = given === undefined ? session.settings.capability.value : given;
  const sealed = own?.startsWith(biscuitPrefix) === true;
  if (sealed && given !== undefined) {
    throw configurationError('only a node can read an ed25519 capability', 'ron --cap @FILE cap show');
  }
  const view = sealed ? await session.client.caps.whoami({ signal: session.signal }) : readCapability(session, given);
  session.output.result(view, () => renderView(view, Date.now()));
  if (flags.check && !sealed) await session.client.caps.whoami({ signal: session.signal });
  if (flags.check || sealed) session.output.note('the node accepts it');
  return undefined;
}

export interface AttenuateFlags extends RightTexts {
  readonly expires?: string;
  readonly bodyMax?: string;
}

export async function runAttenuate(session: Session, _args: string[], flags: AttenuateFlags) {
  const rights = rightsFromTexts(flags);
  const changes = {
    ...(rights === undefined ? {} : { rights }),
    ...(flags.expires === undefined ? {} : { expiresAtMs: Date.now() + parseDurationMs(flags.expires) }),
    ...(flags.bodyMax === undefined ? {} : { bodyBytesMax: parseByteCount(flags.bodyMax) }),
  };
  if (Object.keys(changes).length === 0) {
    throw usageError('say how it shall be weaker: --read, --write, --list, --delete, --expires or --body-max', help);
  }
  readCapability(session, undefined);
  const { caps } = session.client;
  const weaker = caps.attenuate(changes);
  const view = caps.inspect(weaker);
  session.output.note(renderView(view, Date.now()));
  session.output.result({ capability: weaker, view }, () => weaker);
  return undefined;
}

const help = 'ron cap attenuate --help';

function readCapability(session: Session, given: string | undefined): CapabilityView {
  const { capability } = session.settings;
  if (given === undefined && capability.value === undefined) {
    throw new CliError(exitCodes.notAllowed, 'there is no capability', {
      why: 'neither RON_CAP nor --cap is set',
      next: 'export RON_CAP=…   (the node prints the line when it starts)',
    });
  }
  try {
    return session.client.caps.inspect(given);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'it cannot be read';
    throw configurationError(
      `${given === undefined ? capability.source : 'this'} is not a capability: ${reason}`,
      'ron cap show',
      cause,
    );
  }
}

export function renderView(view: CapabilityView, nowMs: number): string {
  const { id, subject, tenant, audience, rights, not_before, expires_at, limits } = view;
  const fields: [string, string][] = [
    ['id', id],
    ['tenant', tenant],
    ['subject', subject],
    ['audience', audience],
    ...rights.map((list, index): [string, string] => [index === 0 ? 'allows' : 'but only', renderRights(list)]),
  ];
  if (not_before !== undefined) fields.push(['not before', formatTime(not_before)]);
  fields.push(['expires', expires_at === undefined ? 'never' : renderExpiry(expires_at, nowMs)]);
  const { bytes_max, body_bytes_max, requests_per_second } = limits;
  if (bytes_max !== undefined) fields.push(['bytes', `at most ${formatBytes(bytes_max)}`]);
  if (body_bytes_max !== undefined) fields.push(['object', `at most ${formatBytes(body_bytes_max)}`]);
  if (requests_per_second !== undefined) fields.push(['requests', `at most ${requests_per_second} a second`]);
  return renderFields(fields);
}

function renderRights(list: readonly Right[]): string {
  if (list.length === 0) return 'nothing';
  return list
    .map(({ methods, prefix }) => `${methods.join('+')} on ${prefix === '' ? 'everything' : prefix}`)
    .join('; ');
}

function renderExpiry(expiresAtMs: number, nowMs: number): string {
  const leftMs = expiresAtMs - nowMs;
  const relative = leftMs > 0 ? `in ${formatDuration(leftMs)}` : `${formatDuration(-leftMs)} ago`;
  return `${formatTime(expiresAtMs)}, ${relative}`;
}
