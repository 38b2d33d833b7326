import type { DeadMessage, Message } from '@ron/proto/mailbox';
import type { DeadLetter, LeasedMessage, PeekedMessage } from '../engine/engine.ts';
import type { Content } from '../state/body.ts';
import { encodeLease } from '../state/lease-token.ts';

/** A leased message as callers get it. */
export function wireMessage(message: LeasedMessage, visibilityMs: number): Message {
  const { fence } = message;
  return { ...wirePeeked(message), lease: encodeLease(message), fence, lease_ms: visibilityMs };
}

export type WirePeeked = Omit<Message, 'lease' | 'fence' | 'lease_ms'>;

export function wirePeeked({
  id,
  content,
  group,
  priority,
  sentWallMs,
  attempt,
}: Omit<PeekedMessage, 'order'>): WirePeeked {
  const fields = group === undefined ? contentFields(content) : { ...contentFields(content), group };
  return { id, ...fields, priority, sent_at: sentWallMs, attempt };
}

export function wireDeadLetter(letter: DeadLetter): DeadMessage {
  const { id, content, group, priority, sentWallMs, attempt, cause, deadWallMs, history } = letter;
  return {
    id,
    ...(content === undefined ? {} : contentFields(content)),
    ...(group === undefined ? {} : { group }),
    priority,
    sent_at: sentWallMs,
    attempt,
    reason: cause,
    dead_at: Math.max(0, Math.floor(deadWallMs)),
    history: history.map(({ attempt, wallMs, outcome, reason }) => ({
      attempt,
      at: Math.max(0, Math.floor(wallMs)),
      outcome: outcome === 'nack' ? outcome : ('lease_ended' as const),
      ...(reason === undefined ? {} : { reason }),
    })),
  };
}

interface ContentFields {
  body?: string;
  body_base64?: string;
  address?: string;
  headers?: Record<string, string>;
}

function contentFields({ body, headers }: Content): ContentFields {
  const fields: ContentFields = {};
  if (body.kind === 'text') fields.body = body.text;
  else if (body.kind === 'bytes') fields.body_base64 = base64Of(body.bytes);
  else fields.address = body.address;
  if (headers !== undefined) fields.headers = { ...headers };
  return fields;
}

function base64Of({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
