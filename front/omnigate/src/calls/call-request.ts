import { limits } from '@ron/oap';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { Incoming } from '@ron/service';
import type { BackendCall } from '../backends/backend.ts';

const encoder = new TextEncoder();

/** As OAP carries it; undefined for one that is longer than any capability. */
export function capabilityBytes(token: string | Uint8Array): Uint8Array | undefined {
  const bytes = typeof token === 'string' ? encoder.encode(token) : token;
  return bytes.byteLength > limits.capabilityBytesMax ? undefined : bytes;
}

/** A backend's word that the token is not good, and not that it cannot tell. */
export function isRefusalOfToken({ code }: RonError): boolean {
  return code === 'unauthenticated' || code === 'forbidden' || code === 'bad_request';
}

/** What of a call is the same at its second attempt. */
export type PassedOn = Pick<BackendCall, 'app' | 'operation' | 'input' | 'corrId'> & Partial<BackendCall>;

/**
 * The call as its caller made it, with the caller's own credential: the front adds nothing to it and has no rights of
 * its own. The address is the one that the connection came from.
 */
export function passedOn(app: number, incoming: Incoming): PassedOn {
  const { operation, input, corrId, traceparent, idempotencyKey, receipt, tenant, credential, remote } = incoming;
  return {
    app,
    operation,
    input,
    corrId,
    traceparent,
    idempotencyKey,
    ...remoteOf(remote),
    ...(receipt ? { receipt } : {}),
    ...(tenant === undefined ? {} : { tenantName: tenant }),
    ...credentialOf(app, incoming),
    ...(credential.proof === undefined ? {} : { proof: credential.proof }),
  };
}

function credentialOf(app: number, { credential, operation }: Incoming): { readonly capability?: Uint8Array } {
  const { token, proof, request } = credential;
  if (token === undefined) return {};
  const capability = capabilityBytes(token);
  if (capability === undefined) throw new RonError('unauthenticated', 'the capability is not valid here');
  // The proof says what it is for, and a backend hears another request than a client of HTTP made.
  if (proof !== undefined && request !== `${app}/${operation}`)
    throw new RonError('unauthenticated', 'a capability that is bound to a key is used over OAP here');
  return { capability };
}

const addressPattern = /^(unix|[0-9A-Fa-f:.]{2,45})$/;

/** As the header of a call takes it: without the zone, which names an interface of this host. What is no address is left out. */
export function remoteOf(remote: string): { readonly remote?: string } {
  const percent = remote.indexOf('%');
  const address = percent < 0 ? remote : remote.slice(0, percent);
  return addressPattern.test(address) ? { remote: address } : {};
}

/** Tells of each piece that passes, and once when the first is asked for. */
export async function* counted(
  body: ByteStream,
  onBegin: () => void,
  onPiece: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  onBegin();
  for await (const piece of body) {
    onPiece(piece.byteLength);
    yield piece;
  }
}

/** What a backend said, without what only the wire needed. */
export function refusalOf(thrown: unknown): RonError {
  if (!(thrown instanceof RonError)) {
    return new RonError('request_timeout', 'the body did not arrive', { cause: thrown });
  }
  if (thrown.details === undefined || !('corr_id' in thrown.details)) return thrown;
  const { corr_id: _same, ...details } = thrown.details;
  const { code, message, retryAfterMs, cause } = thrown;
  return new RonError(code, message, {
    cause,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(Object.keys(details).length === 0 ? {} : { details }),
  });
}

/**
 * The front goes on when a backend stops: as gate `draining` its word would tell the client to leave the front, and close its
 * connection here.
 */
export function ofBackend(error: RonError): RonError {
  const { code, message, retryAfterMs, cause, details } = error;
  if (code !== 'unavailable' || details?.['gate'] !== 'draining') return error;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new RonError(code, message, { cause, ...wait, details: { ...details, gate: 'backends' } });
}

/** Our side of a connection that broke does not know of gates: whoever sees a 503 is told which one it was. */
export function withGate(error: RonError): RonError {
  const { code, message, retryAfterMs = 250, cause, details } = error;
  if (code !== 'unavailable' || details?.['gate'] !== undefined) return error;
  return new RonError(code, message, { cause, retryAfterMs, details: { ...details, gate: 'backends' } });
}
