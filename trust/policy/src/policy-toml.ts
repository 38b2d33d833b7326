import { RonError } from '@ron/proto/errors';
import { signedBytesMax } from '@ron/signed';
import { parse, TomlDate } from 'smol-toml';
import { parsePolicy } from './check.ts';
import type { PolicyDocument } from './document.ts';

/** The document of a TOML text: times as dates with an offset (`2026-01-31T12:00:00Z`), everything else by its name. */
export function parsePolicyToml(text: string): PolicyDocument {
  if (text.length > signedBytesMax) refuse('a policy has at most 1 MiB');
  const fields: Record<string, unknown> = { ...readToml(text) };
  for (const name of ['issued_at', 'expires_at']) {
    if (fields[name] === undefined) continue;
    fields[name] = millisecondsOf(name, fields[name]);
  }
  return parsePolicy(fields);
}

function readToml(text: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (cause) {
    // smol-toml's message points at the line and column, and shows only the author's own text.
    return refuse(cause instanceof Error ? cause.message : 'not TOML', cause);
  }
}

function millisecondsOf(name: string, value: unknown): number {
  if (value instanceof TomlDate && value.isDateTime() && !value.isLocal()) return value.getTime();
  return refuse(`${name}: must be a date and time with an offset, such as 2026-01-31T12:00:00Z`);
}

function refuse(message: string, cause?: unknown): never {
  throw new RonError('bad_request', message, { details: { reason: 'malformed', problems: [message] }, cause });
}
