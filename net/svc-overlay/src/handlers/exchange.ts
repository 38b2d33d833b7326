import type { Overlay } from '../overlay.ts';
import { createNodeHandler, type OverlayHandler } from './handler.ts';

export function createExchange({ handlers }: Overlay): OverlayHandler<'exchange'> {
  return createNodeHandler(handlers.exchange);
}
