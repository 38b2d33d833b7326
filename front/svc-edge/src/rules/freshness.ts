import { parseAge } from '../fields/delta-seconds.ts';
import { type Fields, firstLineOf } from '../fields/fields.ts';
import { parseHttpDate } from '../fields/http-date.ts';
import type { ResponsePolicy } from './policy.ts';

/** When a response was asked for and came, by the clock that never goes back and by the one that others know too. */
export interface Arrival {
  readonly requestMs: number;
  readonly responseMs: number;
  readonly responseWallMs: number;
}

/** Statuses whose responses may be kept without being told for how long. RFC 9110, 15.1. */
const heuristicStatuses = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]);
/** A day: a guess is never trusted for longer. */
export const heuristicSecondsMax = 24 * 3600;
const heuristicShare = 0.1;

export function isHeuristicallyCacheable(status: number, policy: ResponsePolicy): boolean {
  return heuristicStatuses.has(status) || policy.public;
}

/** Whether the origin said how long the response is fresh, be it unintelligibly. RFC 9111, 3. */
export function hasExplicitLifetime(policy: ResponsePolicy, fields: Fields): boolean {
  if (policy.sMaxAge !== undefined || policy.maxAge !== undefined) return true;
  return !policy.targeted && fields['expires'] !== undefined;
}

/**
 * Seconds for which a response is fresh; 0 for what cannot be told or understood, `guessedSeconds` where nothing at all
 * is said. RFC 9111, 4.2.1 and 4.2.2.
 */
export function lifetimeSeconds(
  status: number,
  policy: ResponsePolicy,
  fields: Fields,
  wallMs: number,
  guessedSeconds = 0,
): number {
  const told = policy.sMaxAge ?? policy.maxAge;
  if (told !== undefined) return told === 'invalid' ? 0 : told;
  const dateMs = dateOf(fields, wallMs);
  const expires = policy.targeted ? undefined : firstLineOf(fields, 'expires');
  if (expires !== undefined) {
    const expiresMs = parseHttpDate(expires, wallMs);
    return expiresMs === undefined ? 0 : Math.max(0, (expiresMs - dateMs) / 1000);
  }
  if (!isHeuristicallyCacheable(status, policy)) return 0;
  const modified = firstLineOf(fields, 'last-modified');
  if (modified === undefined) return guessedSeconds;
  const modifiedMs = parseHttpDate(modified, wallMs);
  if (modifiedMs === undefined) return 0;
  const seconds = Math.floor(((dateMs - modifiedMs) / 1000) * heuristicShare);
  return Math.min(Math.max(0, seconds), heuristicSecondsMax);
}

/** A Date that is absent or no date gives way to the time of arrival. RFC 9110, 6.6.1. */
export function dateOf(fields: Fields, wallMs: number): number {
  const date = firstLineOf(fields, 'date');
  return (date === undefined ? undefined : parseHttpDate(date, wallMs)) ?? wallMs;
}

/** Seconds of age on arrival, with the time that the transfer took. RFC 9111, 4.2.3. */
export function initialAgeSeconds(fields: Fields, arrival: Arrival): number {
  const { requestMs, responseMs, responseWallMs } = arrival;
  // Dates have whole seconds: half a second lost by rounding is no age.
  const apparent = Math.max(0, Math.floor((responseWallMs - dateOf(fields, responseWallMs)) / 1000));
  const corrected = parseAge(firstLineOf(fields, 'age')) + Math.max(0, responseMs - requestMs) / 1000;
  return Math.max(apparent, corrected);
}

export function ageSeconds(initialSeconds: number, arrival: Arrival, nowMs: number): number {
  return initialSeconds + Math.max(0, nowMs - arrival.responseMs) / 1000;
}
