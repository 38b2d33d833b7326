import { Tally } from '../tally.ts';

/** What a full run must have met at least once: a fault that never fires and a branch that is never taken test nothing. */
export const expectedSightings = [
  // Faults.
  'kill',
  'power cut',
  'clean stop',
  'crash during start',
  'torn_write',
  'lost_write',
  'dropped_by_failed_sync',
  'eio on write',
  'eio on sync',
  'eio on read',
  'no_space',
  'slow disk',
  'clock jump',
  'pause of 30 s',
  // Branches.
  'sent',
  'repeated send recognised',
  'repeated send recognised after a restart',
  'key used again after its window',
  'send of unknown outcome kept',
  'send of unknown outcome lost',
  'send refused: disk full',
  'settled on a full disk',
  'delivered',
  'delivered again',
  'delivered after a restart under a new fence',
  'lease of before a restart settled',
  'woken by a message',
  'acked',
  'nacked',
  'released',
  'extended',
  'worker died',
  'ack after the lease had ended',
  'ack after somebody else got the message',
  'ack of unknown outcome kept',
  'dead: attempts',
  'dead: expired',
  'expired',
  'redriven',
  'purged',
  'removed',
  'log compacted',
] as const;

export type Sighting = (typeof expectedSightings)[number];

/** Counts of what was met. */
export class Sightings extends Tally<Sighting> {
  constructor() {
    super(expectedSightings);
  }
}
