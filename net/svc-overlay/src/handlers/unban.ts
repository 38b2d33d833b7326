import { RonError } from '@ron/proto/errors';
import type { Overlay } from '../overlay.ts';
import type { OverlayHandler } from './handler.ts';

export function createUnban({ bans }: Overlay): OverlayHandler<'unban'> {
  return ({ id }) => {
    if (!bans.unban(id)) throw new RonError('not_found', 'this node is not banned');
    return { id };
  };
}
