import { parseAddress, parseName } from '@ron/naming';
import type { BoxStats, DeadMessage, Message as WireMessage } from '@ron/proto/mailbox';
import { encodeBase64 } from './base64.ts';
import type { Caller } from './caller.ts';
import type { CallOptions } from './client.ts';
import { asClientError, clientError } from './errors.ts';
import { eventStream } from './event-stream.ts';
import { createLoopKeeper, type LeaseKeeper } from './lease-keeper.ts';
import type { LeaseResult, Mailbox, MessageBody, SendOptions, SubscribeOptions, TailOptions } from './mailbox.ts';
import { deadLetter, type PeekedWire, peekedMessage, receivedMessage } from './message.ts';
import { processMessages } from './work-loop.ts';

/** Milliseconds over the long poll itself that a `recv` gets, retries included. */
const recvSlackMs = 30_000;
/** How long a node keeps a key that a call made for itself; a call without a deadline of its own gets 30 s. */
const ownKeyMsMin = 120_000;
const ownKeyMsMax = 86_400_000;

export function createMailbox(caller: Caller, box: string, newKeeper?: () => LeaseKeeper): Mailbox {
  const call = async (operation: string, input: object, options: CallOptions & { mutation?: boolean } = {}) => {
    const { output } = await caller.call(`mailbox_${operation}`, { box: checkedBox(box), ...input }, options);
    return output;
  };
  const settle = async (
    operation: string,
    leases: string | readonly string[],
    input: object,
    options?: CallOptions,
  ) => {
    const list = typeof leases === 'string' ? [leases] : leases;
    const { results } = await call(operation, { leases: list, ...input }, { ...options, mutation: true });
    return results as LeaseResult[];
  };
  const letters = (operation: string) => async (ids?: readonly string[], options?: CallOptions) => {
    const input = ids === undefined ? {} : { ids };
    return (await call(operation, input, { ...options, mutation: true })) as never;
  };
  const mailbox: Mailbox = {
    box,
    async send(body, options = {}) {
      const key = keyFields(options, caller);
      return (await call('send', { ...bodyFields(body), ...sendFields(options), ...key }, options)) as never;
    },
    async recv(options = {}) {
      const { max, waitMs = 0, visibilityMs } = options;
      const timeoutMs = options.timeoutMs ?? waitMs + recvSlackMs;
      if (timeoutMs <= waitMs) throw clientError('bad_request', 'timeoutMs must exceed waitMs', { corrId: '' });
      const input = present({ max, wait_ms: waitMs, visibility_ms: visibilityMs });
      const { messages } = await call('recv', input, { ...options, timeoutMs });
      return (messages as WireMessage[]).map(receivedMessage);
    },
    ack: (leases, options) => settle('ack', leases, {}, options),
    nack(leases, options = {}) {
      const { delayMs, reason } = options;
      return settle('nack', leases, present({ delay_ms: delayMs, reason }), options);
    },
    extend: (leases, visibilityMs, options) => settle('extend', leases, { visibility_ms: visibilityMs }, options),
    subscribe: (options = {}) => subscription(caller, box, options),
    tail: (options = {}) => view(caller, box, options),
    process(handler, options) {
      const inLoop = () => createLoopKeeper(extendCall(caller), caller.platform);
      const { platform } = caller;
      return processMessages({ mailbox, handler, options, platform, newKeeper: newKeeper ?? inLoop, inLoop });
    },
    async remove(id, options) {
      await call('remove', { id }, { ...options, mutation: true });
    },
    stats: async (options) => (await call('stats', {}, options)) as never,
    async *deadLetters(options) {
      const input = { box: checkedBox(box) };
      const found = pages<DeadMessage>(caller, 'mailbox_dead_letters', input, 'messages', options);
      for await (const wire of found) yield deadLetter(wire);
    },
    redrive: letters('redrive'),
    purge: letters('purge'),
  };
  return mailbox;
}

/** The boxes of the capability's tenant, by name. */
export function listMailboxes(caller: Caller, options?: CallOptions): AsyncIterable<BoxStats> {
  return pages<BoxStats>(caller, 'mailbox_boxes', {}, 'boxes', options);
}

/** One extension for a keeper: no longer than `timeoutMs`, over as many attempts as fit. */
export function extendCall(caller: Caller) {
  return (box: string, leases: readonly string[], visibilityMs: number, timeoutMs: number) =>
    createMailbox(caller, box).extend(leases, visibilityMs, { timeoutMs });
}

async function* subscription(caller: Caller, box: string, options: SubscribeOptions) {
  const { credit, visibilityMs, signal, cursor, onBreak } = options;
  let left = options.max ?? Number.POSITIVE_INFINITY;
  const fields = { box: checkedBox(box), ...present({ credit, visibility_ms: visibilityMs }) };
  // Asked at each opening: a stream that ended because all came is not opened again.
  const input = () => {
    if (left <= 0) return undefined;
    return Number.isFinite(left) ? { ...fields, max: left } : fields;
  };
  // What a forgotten cursor stood for is leased or comes again: no message depends on it.
  for await (const data of messages(caller, input, { signal, cursor, staleCursor: 'forget', onBreak })) {
    left -= 1;
    yield receivedMessage(data as WireMessage);
  }
}

async function* view(caller: Caller, box: string, { signal, cursor, onBreak }: TailOptions) {
  const input = { box: checkedBox(box), peek: true };
  for await (const data of messages(caller, () => input, { signal, cursor, staleCursor: 'fail', onBreak })) {
    yield peekedMessage(data as PeekedWire);
  }
}

async function* messages(
  caller: Caller,
  input: Parameters<typeof eventStream>[2],
  options: Parameters<typeof eventStream>[3],
): AsyncGenerator<unknown> {
  for await (const { type, data } of eventStream(caller, 'mailbox_subscribe', input, options)) {
    // Later kinds of event are for later clients.
    if (type !== 'message') continue;
    try {
      yield JSON.parse(data);
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw clientError('internal', 'the node sent an unreadable event', { corrId: '', cause });
    }
  }
}

async function* pages<T>(
  caller: Caller,
  operation: string,
  input: Readonly<Record<string, unknown>>,
  field: string,
  options: CallOptions | undefined,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const { output } = await caller.call(operation, cursor === undefined ? input : { ...input, cursor }, options);
    yield* output[field] as T[];
    cursor = output['cursor'] as string | undefined;
  } while (cursor !== undefined);
}

function checkedBox(box: string): string {
  try {
    if (!box.includes('/')) return parseName(box);
  } catch (thrown) {
    throw asClientError(thrown, '');
  }
  throw clientError('bad_request', `"${box}" is not a box: its name is one label, without a slash`, { corrId: '' });
}

function bodyFields(body: MessageBody): object {
  if (typeof body === 'string') return { body };
  if (body instanceof Uint8Array) return { body_base64: encodeBase64(body) };
  return { address: parseAddress(body.address) };
}

function sendFields(options: SendOptions): object {
  const { headers, delayMs, ttlMs, deadLetterOnExpiry, group, priority } = options;
  return present({
    headers,
    delay_ms: delayMs,
    ttl_ms: ttlMs,
    dead_letter_on_expiry: deadLetterOnExpiry,
    group,
    priority,
  });
}

/** Without the fields that were not given. */
function present(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A key of our own only has to outlive the retries of this call: the node need not keep it for a day. */
function keyFields({ idempotencyKey, timeoutMs = 0 }: SendOptions, caller: Caller): object {
  if (idempotencyKey !== undefined) return { idempotency_key: idempotencyKey };
  const windowMs = Math.min(ownKeyMsMax, Math.max(ownKeyMsMin, 2 * timeoutMs));
  return { idempotency_key: caller.newKey(), idempotency_window_ms: Math.ceil(windowMs) };
}
