import type { Pins } from '../exchange/copies/pins.ts';
import type { OverlayHandler } from './handler.ts';

export function createUnpin(pins: Pins): OverlayHandler<'unpin'> {
  return async ({ address }) => ({ address, unpinned: await pins.unpin(address) });
}
