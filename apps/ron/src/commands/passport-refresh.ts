import { usageError } from '../cli-error.ts';
import { isPassportText, parsePassport } from '../secrets/passport-file.ts';
import { readSecret } from '../secrets/secret-source.ts';
import type { Session } from '../session.ts';
import { hand, refuseTaken } from './passport-issue.ts';

export interface RefreshFlags {
  readonly refreshToken?: string;
  readonly save?: string;
}

/** Exchanges a refresh token: a bare one, or the one of a file that `--save` wrote, which is then replaced. */
export async function runRefresh(session: Session, _args: string[], flags: RefreshFlags) {
  const source = flags.refreshToken ?? session.settings.passport.value;
  if (flags.save !== source) refuseTaken(flags.save);
  const text = await readSecret(session, {
    given: source,
    option: '--refresh-token',
    variable: 'RON_REFRESH_TOKEN',
    what: 'the refresh token',
    looks: /^ronr_/,
  });
  const token = isPassportText(text) ? parsePassport(text)?.refresh_token : text;
  if (token === undefined) throw usageError(`${source} is no passport`, 'ron passport refresh --help');
  const passport = await session.client.passport.refresh(token, { signal: session.signal });
  // The old token is used up: where it lay, the new one belongs.
  const save = flags.save ?? (isPassportText(text) && source !== '-' ? source : undefined);
  await hand(session, passport, save === undefined ? {} : { save });
  return undefined;
}
