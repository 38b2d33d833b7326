import type { Pins } from '../exchange/copies/pins.ts';
import type { OverlayHandler } from './handler.ts';

export function createPin(pins: Pins): OverlayHandler<'pin'> {
  return ({ address, copies }, { context }) => pins.pin(address, copies, context.signal);
}
