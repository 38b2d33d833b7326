import type { Rotation } from '@ron/app-sdk';
import type { Passport } from '@ron/proto/passport';
import { configurationError } from '../cli-error.ts';
import { readSecretFile, writeSecretFile } from './secret-file.ts';

/** What `--save` keeps: enough to go on with, in a file of mode 0600. */
export interface PassportFile {
  readonly type: 'ron-passport/1';
  readonly subject: string;
  readonly tenant: string;
  readonly family: string;
  readonly capability: string;
  readonly refresh_token: string;
  readonly expires_at: number;
  readonly refresh_expires_at: number;
}

export function passportFileOf(passport: Passport): PassportFile {
  const { subject, tenant, family, capability, refresh_token, expires_at, refresh_expires_at } = passport;
  const type = 'ron-passport/1';
  return { type, subject, tenant, family, capability, refresh_token, expires_at, refresh_expires_at };
}

export function readPassportFile(path: string): PassportFile {
  const text = readSecretFile(path);
  const file = isPassportText(text) ? parsePassport(text) : undefined;
  if (file === undefined) {
    throw configurationError(`${path} is no passport: ron passport issue … --save FILE writes one`, `ls -l ${path}`);
  }
  return file;
}

export function isPassportText(text: string): boolean {
  return text.trimStart().startsWith('{');
}

/** Undefined for anything else. */
export function parsePassport(text: string): PassportFile | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
  const file = value as Partial<PassportFile> | null;
  const whole =
    file?.type === 'ron-passport/1' &&
    [file.subject, file.tenant, file.family, file.capability, file.refresh_token].every(
      (each) => typeof each === 'string',
    ) &&
    [file.expires_at, file.refresh_expires_at].every((each) => typeof each === 'number');
  return whole ? (file as PassportFile) : undefined;
}

export async function writePassportFile(path: string, file: PassportFile): Promise<void> {
  await writeSecretFile(path, `${JSON.stringify(file)}\n`, { replace: true });
}

export function rotated(file: PassportFile, rotation: Rotation): PassportFile {
  const { capability, refreshToken, expiresAt, refreshExpiresAt } = rotation;
  return {
    ...file,
    capability,
    refresh_token: refreshToken,
    expires_at: expiresAt,
    refresh_expires_at: refreshExpiresAt,
  };
}
