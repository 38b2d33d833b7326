import type { Overlay } from '../overlay.ts';
import type { OverlayHandler } from './handler.ts';

const dayMs = 86_400_000;

export function createBan({ bans }: Overlay): OverlayHandler<'ban'> {
  return ({ id, duration_ms: durationMs = dayMs }) => bans.ban(id, 'operator', durationMs);
}
