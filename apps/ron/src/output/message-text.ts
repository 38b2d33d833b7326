import type { Message, ReceivedMessage } from '@ron/app-sdk';
import { formatBytes, formatTime } from './format.ts';
import type { Output } from './output.ts';
import { isTextual, printable } from './printable.ts';

/** A message with the names that it has on the wire. */
export function messageAsJson(message: Message | ReceivedMessage): Record<string, unknown> {
  const { id, body, address, headers, attempt, group, priority, sentAt } = message;
  return {
    id,
    body: typeof body === 'string' ? body : undefined,
    body_base64: body instanceof Uint8Array ? Buffer.from(body).toString('base64') : undefined,
    address,
    headers,
    group,
    priority,
    sent_at: sentAt,
    attempt,
    ...('lease' in message ? { lease: message.lease, fence: message.fence, lease_ms: message.leaseMs } : {}),
  };
}

/** One line for people: what a body is, where it may not be shown as it is. */
export function bodyAsText({ body, address }: Message): string {
  if (body === undefined) return address ?? '(damaged beyond reading)';
  if (typeof body === 'string') return printable(body);
  return isTextual(body) ? new TextDecoder().decode(body) : `(${formatBytes(body.byteLength)}, not text)`;
}

/** What belongs to a message beside its body. */
export function messageNote(message: Message | ReceivedMessage): string {
  const { id, attempt, group, priority, sentAt, headers } = message;
  const parts = [id, `sent ${formatTime(sentAt)}`, `attempt ${attempt}`];
  if (group !== undefined) parts.push(`group ${group}`);
  if (priority !== 0) parts.push(`priority ${priority}`);
  for (const [name, value] of Object.entries(headers)) parts.push(`${name}=${value}`);
  if ('lease' in message) parts.push(`lease ${message.lease}`);
  return parts.join(', ');
}

/**
 * The body and a line end on stdout, or with `--json` the whole message. A terminal gets nothing that could move its
 * cursor; a pipe gets the bytes. Resolves when stdout has taken it, so that only what was printed is acknowledged.
 */
export function printMessage(output: Output, message: Message): Promise<void> {
  const { stdout } = output;
  const exact = stdout.isTTY !== true && message.body !== undefined;
  const line = output.json
    ? `${JSON.stringify(messageAsJson(message))}\n`
    : exact
      ? Buffer.concat([message.bytes(), Buffer.of(0x0a)])
      : `${bodyAsText(message)}\n`;
  return new Promise((resolve, reject) => {
    // The stream tells its listeners after this callback: they decide what a reader that has left means.
    stdout.write(line, (error) => (error ? setImmediate(reject, error) : resolve()));
  });
}
