import type { HttpClientResponse, HttpHeaders } from '@ron/kernel';
import type { EdgeContext } from '../edge-context.ts';
import type { Inquiry } from '../inquiry.ts';
import { cacheName } from '../rules/cache-status.ts';
import { endToEnd, endToEndLines } from '../rules/end-to-end.ts';
import type { Arrival } from '../rules/freshness.ts';

export interface Sending {
  /** Fields of the client that stay here, in lower case. */
  readonly without?: ReadonlySet<string>;
  /** Names and values in turn. */
  readonly added?: readonly string[];
  readonly method?: string;
  readonly signal: AbortSignal;
  /** Nobody waits for interim responses. */
  readonly behind?: boolean;
}

export interface Received {
  readonly response: HttpClientResponse;
  /** Its end-to-end fields. */
  readonly fields: HttpHeaders;
  readonly arrival: Arrival;
}

const never: ReadonlySet<string> = new Set();

/** Asks the origin on behalf of a client. RFC 9110, 7.6. */
export async function send(edge: EdgeContext, inquiry: Inquiry, sending: Sending): Promise<Received> {
  const { clock, client } = edge;
  const { request, target, hasContent } = inquiry;
  const requestMs = clock.monotonicMs();
  edge.meter.fetched();
  const asked = client.request({
    method: sending.method ?? inquiry.method,
    target,
    fieldLines: outgoingLines(edge, inquiry, sending),
    signal: sending.signal,
    ...(hasContent && sending.behind !== true ? { body: request.body } : {}),
    onInform(status, headers) {
      // 1xx is forwarded and never stored. RFC 9110, 15.2.
      if (sending.behind !== true) request.inform?.(status, endToEnd(headers));
    },
  });
  const response = await asked.catch((failure: unknown) => {
    if (!sending.signal.aborted) edge.meter.failed();
    throw failure;
  });
  const arrival = { requestMs, responseMs: clock.monotonicMs(), responseWallMs: clock.wallMs() };
  return { response, fields: endToEnd(response.headers), arrival };
}

function outgoingLines(edge: EdgeContext, inquiry: Inquiry, sending: Sending): string[] {
  const { lines, fields, method, hasContent } = inquiry;
  const without = new Set(sending.without ?? never);
  without.add('host');
  const forwards = method === 'TRACE' || method === 'OPTIONS' ? fields['max-forwards'] : undefined;
  if (forwards !== undefined) without.add('max-forwards');
  // Only with content is there something to hold back. RFC 9110, 10.1.1.
  if (!hasContent) without.add('expect');
  if (sending.behind === true) without.add('content-length');
  const host = edge.keepHost ? String(fields['host'] ?? edge.originAuthority) : edge.originAuthority;
  const outgoing = ['Host', host, ...endToEndLines(lines, without), ...(sending.added ?? [])];
  if (forwards !== undefined) outgoing.push('Max-Forwards', String(Math.max(0, Number(forwards) - 1)));
  outgoing.push('Via', `1.1 ${cacheName} (${edge.instance})`);
  return outgoing;
}
