import type { Overlay } from '../overlay.ts';
import { createNodeHandler, type OverlayHandler } from './handler.ts';

export function createPingReq({ handlers }: Overlay): OverlayHandler<'ping_req'> {
  return createNodeHandler(handlers.ping_req);
}
