import { existsSync } from 'node:fs';
import type { Passport } from '@ron/proto/passport';
import { configurationError, usageError } from '../cli-error.ts';
import { formatTime } from '../output/format.ts';
import { renderFields } from '../output/table.ts';
import { passportFileOf, writePassportFile } from '../secrets/passport-file.ts';
import { readSecret } from '../secrets/secret-source.ts';
import type { Session } from '../session.ts';
import { parseByteCount } from '../values/byte-count.ts';
import { parseDurationMs } from '../values/duration.ts';
import { parseRight } from '../values/right.ts';

interface SaveFlags {
  readonly save?: string;
}

export interface IssueFlags extends SaveFlags {
  readonly right?: readonly string[];
  readonly ttl?: string;
  readonly tenant?: string;
  readonly displayName?: string;
  readonly scheme?: 'hmac' | 'ed25519';
  readonly key?: string;
  readonly kind?: 'user' | 'service';
  readonly bodyMax?: string;
}

const help = 'ron passport issue --help';

export async function runIssue(session: Session, [subject = '']: string[], flags: IssueFlags) {
  if (flags.right === undefined) throw usageError('say what it allows: --right read,write:n/docs/', help);
  refuseTaken(flags.save);
  const { tenant, displayName, scheme, key, kind } = flags;
  const passport = await session.client.passport.issue(
    {
      subject,
      rights: flags.right.map(parseRight),
      ...(tenant === undefined ? {} : { tenant }),
      ...(displayName === undefined ? {} : { display_name: displayName }),
      ...(flags.ttl === undefined ? {} : { ttl_s: wholeSeconds(flags.ttl) }),
      ...(scheme === undefined ? {} : { scheme }),
      ...(key === undefined ? {} : { key }),
      ...(kind === undefined ? {} : { kind }),
      ...(flags.bodyMax === undefined ? {} : { limits: { body_bytes_max: parseByteCount(flags.bodyMax) } }),
    },
    { signal: session.signal },
  );
  await hand(session, passport, flags);
  return undefined;
}

export interface BootstrapFlags extends SaveFlags {
  readonly secret?: string;
  readonly displayName?: string;
}

export async function runBootstrap(session: Session, [subject = '']: string[], flags: BootstrapFlags) {
  refuseTaken(flags.save);
  const secret = await readSecret(session, {
    given: flags.secret,
    option: '--secret',
    variable: 'RON_BOOTSTRAP_SECRET',
    what: 'the secret that the node printed',
    looks: /^ron[a-z0-9]*_/,
  });
  const { displayName } = flags;
  const first = { secret, subject, ...(displayName === undefined ? {} : { display_name: displayName }) };
  const passport = await session.client.passport.bootstrap(first, { signal: session.signal });
  await hand(session, passport, flags);
  return undefined;
}

/** Before anything is asked for: a file may hold the only passport of somebody else, and a bootstrap works once. */
export function refuseTaken(save: string | undefined): void {
  if (save === undefined || !existsSync(save)) return;
  throw configurationError(`${save} is there already, and may hold another passport`, 'choose another --save FILE');
}

/** Into a file, or on stdout for whoever asked: nothing else prints what is secret. */
export async function hand({ output }: Session, passport: Passport, { save }: SaveFlags): Promise<void> {
  const { capability, refresh_token, ...open } = passport;
  if (save === undefined) {
    output.note(describe(passport));
    output.note('its refresh token is not shown: --save FILE keeps both in a file, --json prints both');
    output.result(passport, () => capability);
    return;
  }
  await writePassportFile(save, passportFileOf(passport));
  output.result(
    { ...open, file: save },
    () => `${describe(passport)}\nsaved as ${save}; use it: export RON_PASSPORT=${save}`,
  );
}

function describe({ subject, tenant, capability_id, family, expires_at, refresh_expires_at }: Passport): string {
  return renderFields([
    ['subject', subject],
    ...(tenant === '' ? [] : [['tenant', tenant] as const]),
    ['capability', capability_id],
    ['family', family],
    ['expires', formatTime(expires_at)],
    ['renewable until', formatTime(refresh_expires_at)],
  ]);
}

function wholeSeconds(text: string): number {
  const ms = parseDurationMs(text);
  if (ms % 1_000 !== 0) throw usageError(`"${text}": a life is counted in whole seconds`, help);
  return ms / 1_000;
}
