import type { Overlay } from '../overlay.ts';
import { createNodeHandler, type OverlayHandler } from './handler.ts';

export function createHello({ handlers }: Overlay): OverlayHandler<'hello'> {
  return createNodeHandler(handlers.hello);
}
