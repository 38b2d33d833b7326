import type { Overlay } from '../overlay.ts';
import { createNodeHandler, type OverlayHandler } from './handler.ts';

export function createGossip({ handlers }: Overlay): OverlayHandler<'gossip'> {
  return createNodeHandler(handlers.gossip);
}
