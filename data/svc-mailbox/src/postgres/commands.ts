import type { Session } from '@ron/postgres';
import { RonError } from '@ron/proto/errors';
import type { LeasedMessage, PlainCommand } from '../engine/engine.ts';
import type {
  Ack,
  Extend,
  Nack,
  Outcomes,
  Purge,
  Receive,
  Redrive,
  Release,
  Send,
  SendRefusal,
} from '../state/command.ts';
import type { MachineLimits } from '../state/machine.ts';
import { bytesOf, type LeasedRow, leasedOf, storedContent } from './rows.ts';
import { move, quarantine, receive, remove, send, settle } from './statements.ts';

/** Where and when a command is done. */
export interface Moment {
  readonly session: Session;
  readonly partition: number;
  readonly nowMs: number;
  readonly wallMs: number;
  readonly limits: MachineLimits;
}

/** Does what the command asks for; the functions of the database decide. */
export function perform<C extends PlainCommand>(moment: Moment, command: C): Promise<Outcomes[C['op']]>;
export async function perform(moment: Moment, command: PlainCommand): Promise<Outcomes[PlainCommand['op']]> {
  const { session, nowMs, wallMs } = moment;
  const { tenant, box } = command;
  switch (command.op) {
    case 'send':
      return performSend(moment, command);
    case 'ack':
    case 'nack':
    case 'release':
    case 'extend':
      return performSettle(moment, command);
    case 'redrive':
    case 'purge':
      return performMove(moment, command);
    case 'remove':
      return isDone(await session.query(remove, [tenant, box, command.id]));
    case 'quarantine':
      return isDone(await session.query(quarantine, [nowMs, wallMs, tenant, box, command.id]));
  }
}

function isDone([row]: readonly { readonly done?: boolean }[]): boolean {
  return row?.done === true;
}

export async function performReceive({ session, nowMs }: Moment, command: Receive): Promise<readonly LeasedMessage[]> {
  const { tenant, box, max, bytesMax, visibilityMs, nonce } = command;
  const values = [nowMs, tenant, box, max, countOf(bytesMax), visibilityMs, nonce];
  return (await session.query<LeasedRow>(receive, values)).map(leasedOf);
}

interface Sent {
  readonly refusal: SendRefusal | 'id' | null;
  readonly id: string;
  readonly duplicate: boolean;
  readonly retry_ms: number | null;
}

async function performSend({ session, partition, nowMs, limits }: Moment, command: Send): Promise<Outcomes['send']> {
  const { key } = command;
  const values = [
    ...[partition, nowMs, command.tenant, command.box, command.id, command.sentWallMs, command.sizeBytes],
    ...[command.jsonBytes, command.delayMs, command.ttlMs, command.deadOnExpiry, command.group, command.priority],
    ...storedContent(command.content),
    ...(key === undefined ? [null, null] : [latin(key.hash), latin(key.digest)]),
    Math.min(key?.windowMs ?? limits.keyWindowMs, limits.keyWindowMs),
    ...[limits.attemptsMax, limits.retentionMs, limits.deadRetentionMs, limits.keysMax],
    ...[limits.tenantMessagesMax, limits.tenantBytesMax, limits.tenantBoxesMax],
    ...[limits.messagesMax, limits.bytesMax, limits.boxesMax],
  ];
  const [row] = await session.query<Sent>(send, values);
  const { refusal, id, duplicate, retry_ms } = row!;
  if (refusal === 'id') throw new RonError('conflict', 'there is a message with this id');
  if (refusal === null) return { ok: true, id, duplicate };
  return { ok: false, refusal, ...(retry_ms === null ? {} : { retryAfterMs: retry_ms }) };
}

async function performSettle(
  { session, nowMs, wallMs }: Moment,
  command: Ack | Nack | Release | Extend,
): Promise<readonly boolean[]> {
  const { op, tenant, box, leases } = command;
  const values = [
    ...[op, nowMs, wallMs, tenant, box],
    leases.map((lease) => lease?.id ?? ''),
    leases.map((lease) => lease?.fence ?? -1),
    leases.map((lease) => lease?.nonce ?? -1),
    op === 'nack' ? command.delayMs : undefined,
    op === 'nack' && command.reason !== undefined ? bytesOf(command.reason) : undefined,
    op === 'extend' ? command.visibilityMs : undefined,
  ];
  const [row] = await session.query<{ readonly good: readonly boolean[] }>(settle, values);
  return row!.good;
}

async function performMove({ session, nowMs }: Moment, command: Redrive | Purge): Promise<Outcomes['redrive']> {
  const { op, tenant, box, ids, max } = command;
  const [row] = await session.query<{ readonly moved: number | null; readonly left: number | null }>(move, [
    ...[op, nowMs, tenant, box, ids, max],
  ]);
  const { moved, left } = row!;
  return moved === null || left === null ? undefined : { moved, left };
}

/** A count for a column of the database, where there is no infinity. */
export function countOf(count: number): number {
  return Math.min(count, Number.MAX_SAFE_INTEGER);
}

function latin(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}
