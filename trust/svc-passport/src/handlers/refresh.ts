import type { Refresher } from '../refresher.ts';
import type { PassportHandler } from './handler.ts';

export function createRefresh(refresher: Refresher): PassportHandler<'refresh'> {
  return ({ refresh_token }, { context }) =>
    refresher.refresh(refresh_token, context.principal.subject, context.idempotencyKey, context.corrId);
}
