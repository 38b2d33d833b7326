import { RonError } from '@ron/proto/errors';

/** What a peer said, without the corr_id of the call on the wire: whoever passes the error on puts its own there. */
export function withoutWire(thrown: unknown): unknown {
  if (!(thrown instanceof RonError) || thrown.details?.['corr_id'] === undefined) return thrown;
  const { corr_id: _wire, ...details } = thrown.details;
  const { code, message, retryAfterMs, cause } = thrown;
  return new RonError(code, message, {
    cause,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(Object.keys(details).length === 0 ? {} : { details }),
  });
}
