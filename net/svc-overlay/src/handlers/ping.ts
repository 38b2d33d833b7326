import type { Overlay } from '../overlay.ts';
import { createNodeHandler, type OverlayHandler } from './handler.ts';

export function createPing({ handlers }: Overlay): OverlayHandler<'ping'> {
  return createNodeHandler(handlers.ping);
}
