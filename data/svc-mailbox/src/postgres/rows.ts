import type { BoxCounts, DeadLetter, LeasedMessage, PeekedMessage } from '../engine/engine.ts';
import type { Content, MessageHeaders } from '../state/body.ts';
import type { DeathCause, Failure } from '../state/message.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

interface MessageRow {
  readonly id: string;
  readonly grp: string | null;
  readonly priority: number;
  readonly sent_wall_ms: number;
  readonly body_kind: Content['body']['kind'];
  readonly body: Uint8Array;
  readonly headers: Uint8Array | null;
  readonly attempt: number;
}

export interface LeasedRow extends MessageRow {
  readonly fence: number;
  readonly nonce: number;
}

export interface AliveRow extends MessageRow {
  readonly ord: number;
}

export interface DeadRow extends AliveRow {
  readonly cause: DeathCause;
  readonly dead_wall_ms: number;
  readonly failed_attempts: readonly number[];
  readonly failed_walls: readonly number[];
  readonly failed_outcomes: readonly Failure['outcome'][];
  readonly failed_reasons: readonly (Uint8Array | null)[];
}

export interface BoxRow extends Omit<BoxCounts, 'inFlight' | 'oldestAgeMs'> {
  readonly leased: number;
  readonly oldest_ms: number | null;
}

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Kind, body and headers as they are stored. */
export function storedContent({ body, headers }: Content): readonly [string, Uint8Array, Uint8Array | undefined] {
  const bytes = body.kind === 'bytes' ? body.bytes : bytesOf(body.kind === 'text' ? body.text : body.address);
  return [body.kind, bytes, headers === undefined ? undefined : bytesOf(JSON.stringify(headers))];
}

function contentOf({ body_kind: kind, body: bytes, headers }: MessageRow): Content {
  const texts = headers === null ? undefined : (JSON.parse(decoder.decode(headers)) as MessageHeaders);
  // A copy: the driver's bytes are a part of what it read from its socket.
  if (kind === 'bytes') return { body: { kind, bytes: Uint8Array.from(bytes) }, headers: texts };
  const text = decoder.decode(bytes);
  return { body: kind === 'text' ? { kind, text } : { kind, address: text }, headers: texts };
}

function shared(row: MessageRow): Omit<LeasedMessage, 'fence' | 'nonce'> {
  const { id, grp, priority, sent_wall_ms: sentWallMs, attempt } = row;
  return { id, content: contentOf(row), group: grp ?? undefined, priority, sentWallMs, attempt };
}

export function leasedOf(row: LeasedRow): LeasedMessage {
  return { ...shared(row), fence: row.fence, nonce: row.nonce };
}

export function peekedOf(row: AliveRow): PeekedMessage {
  return { ...shared(row), order: row.ord };
}

export function deadLetterOf(row: DeadRow): DeadLetter {
  const { content, ...rest } = shared(row);
  const history = row.failed_attempts.map((attempt, index) => {
    const reason = row.failed_reasons[index] ?? undefined;
    return {
      attempt,
      wallMs: row.failed_walls[index]!,
      outcome: row.failed_outcomes[index]!,
      reason: reason === undefined ? undefined : decoder.decode(reason),
    };
  });
  const { cause, ord: order, dead_wall_ms: deadWallMs } = row;
  return { ...rest, content: cause === 'damaged' ? undefined : content, order, cause, deadWallMs, history };
}

export function countsOf({ leased: inFlight, oldest_ms, ...counts }: BoxRow, nowMs: number): BoxCounts {
  return { ...counts, inFlight, oldestAgeMs: oldest_ms === null ? 0 : Math.max(0, nowMs - oldest_ms) };
}
