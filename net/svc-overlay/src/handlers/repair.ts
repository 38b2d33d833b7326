import type { Pins } from '../exchange/copies/pins.ts';
import type { OverlayHandler } from './handler.ts';

export function createRepair(pins: Pins): OverlayHandler<'repair'> {
  return ({ dry_run = false }, { context }) => pins.repairNow(dry_run, context.signal);
}
