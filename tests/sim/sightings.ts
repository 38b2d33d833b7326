import { Tally } from './tally.ts';

/** What a full run must have met at least once: a fault that never fires and a branch that is never taken test nothing. */
export const expectedSightings = [
  // Faults.
  'kill',
  'power cut',
  'clean stop',
  'crash during start',
  'torn_write',
  'lost_write',
  'lost_entry',
  'dropped_by_failed_sync',
  'eio on read',
  'eio on write',
  'eio on sync',
  'eio on names',
  'no_space',
  'flipped_bit',
  'slow disk',
  'clock jump',
  // Branches.
  'put stored',
  'put already there',
  'put to a wrong address refused',
  'put broken off',
  'put of unknown outcome kept',
  'put of unknown outcome lost',
  'put refused: disk full',
  'put refused: read-only',
  'range served',
  'slice verified',
  'outboard verified',
  'entry of a bundle served',
  'integrity reported',
  'object stored again after damage',
  'name set',
  'name conflict',
  'name removed',
  'name set again after removal',
  'name change of unknown outcome kept',
  'name change of unknown outcome lost',
  'upload completed',
  'upload resumed after a crash',
  'verified upload resumed after a crash',
  'pin kept an object',
  'objects trashed',
  'objects purged',
  'object undeleted',
  'purged object gone',
  'scrub finished',
] as const;

export type Sighting = (typeof expectedSightings)[number];

/** Counts of what was met. */
export class Sightings extends Tally<Sighting> {
  constructor() {
    super(expectedSightings);
  }
}
