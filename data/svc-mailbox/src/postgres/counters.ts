import type { LeasedMessage, PlainCommand } from '../engine/engine.ts';
import type { Outcomes } from '../state/command.ts';
import type { MachineCounters } from '../state/lifecycle.ts';

/** What this process has done; what time brought about counts for the process that noticed. */
export function newCounters(): MachineCounters {
  return {
    ...{ sent: 0, duplicates: 0, delivered: 0, redelivered: 0, acked: 0, nacked: 0, expired: 0, deleted: 0 },
    staleLeases: 0,
    dead: { attempts: 0, expired: 0, damaged: 0 },
  };
}

export function countReceived(counters: MachineCounters, leased: readonly LeasedMessage[]): void {
  counters.delivered += leased.length;
  counters.redelivered += leased.filter(({ attempt }) => attempt > 1).length;
}

export function countCommand<C extends PlainCommand>(
  counters: MachineCounters,
  { op }: C,
  outcome: Outcomes[C['op']],
): void {
  if (Array.isArray(outcome)) {
    const good = outcome.filter(Boolean).length;
    counters.staleLeases += outcome.length - good;
    if (op === 'ack') counters.acked += good;
    if (op === 'nack') counters.nacked += good;
  } else if (outcome === true && op === 'remove') counters.deleted += 1;
  else if (typeof outcome === 'object' && 'ok' in outcome && outcome.ok) {
    if (outcome.duplicate) counters.duplicates += 1;
    else counters.sent += 1;
  } else if (op === 'purge' && typeof outcome === 'object' && 'moved' in outcome) counters.deleted += outcome.moved;
}
