import type { Overlay } from '../overlay.ts';
import { createNodeHandler, type OverlayHandler } from './handler.ts';

export function createSync({ handlers }: Overlay): OverlayHandler<'sync'> {
  return createNodeHandler(handlers.sync);
}
