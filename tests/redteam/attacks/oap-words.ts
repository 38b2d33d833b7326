import type { Target } from '../attack.ts';
import { envelopeIn, request } from '../oap-attack.ts';
import { EVENT, frame, gatewayApp, payloadOf, type RawOap, REQ, START } from '../raw-oap.ts';
import { metricsOf, within } from '../signs.ts';

export const MiB = 1_048_576;
export const whoami = (target: Target, stream: number) => request(target.node.capability, stream, 'whoami', '{}');
export const upload = (target: Target, stream: number) =>
  request(target.node.capability, stream, 'put', '{}', { flags: REQ | START });
export const body = (stream: number, bytes: Uint8Array, flags = REQ) =>
  frame({ flags, app: gatewayApp, stream, payload: payloadOf('', bytes) });
export const cancel = (stream: number) => frame({ flags: EVENT, code: 499, stream });

/** The last words on a connection that broke a rule: why, or nothing when it was only closed. */
export async function goodbye(client: RawOap): Promise<string> {
  const heard = await client
    .next(({ app, stream, code }) => app === 0 && stream === 0 && code >= 400)
    .catch(() => undefined);
  return heard === undefined ? 'closed' : (envelopeIn(heard).details?.reason ?? envelopeIn(heard).code);
}

export async function noneLeft(target: Target): Promise<void> {
  const gone = async () => (await metricsOf(target.port)).get('oap_connections') === 0;
  target.check(await within(30_000, gone), 'a connection is left');
}
