import { mailboxLimits } from '@ron/proto/mailbox';
import type { Body, Content, MessageHeaders } from '../state/body.ts';
import type { BoxKey } from '../state/command.ts';
import type { KeptKey, Standing } from '../state/facts.ts';
import type { DeathCause, Failure, Message, Origin } from '../state/message.ts';
import { FieldReader, type FieldWriter } from './codec.ts';

/** Kinds of records in the journal. Each begins with the mailbox time at which it was decided. */
export const recordKind = {
  /** All of a message: its sending, or how it stood when it was carried on to a later segment. */
  message: 1,
  /** How a message stands, with its latest failure. */
  changed: 2,
  gone: 3,
  /** Keys that outlived their messages, carried on. */
  keys: 4,
  /** The messages whose records are in the same write: tells which one it was when one of those goes bad. */
  names: 5,
} as const;

/** Bytes of a ULID as text, and of the hash and the digest of a key. */
const idLength = 26;
const hashLength = 16;
/** At most, without the content, the failures and the texts of a message. */
const messageFixedBytesMax = 320;
export const failureFixedBytes = 17;

/** An upper bound of the record of a message with this content. */
export function messageRecordBytesMax(texts: readonly string[], contentBytes: number): number {
  let bytes = messageFixedBytesMax + contentBytes;
  for (const text of texts) bytes += 4 + text.length * 3;
  return bytes;
}

/** Of a `changed` record without a failure that was given a reason. */
export const changedBytesMax = 160;
export const goneRecordBytes = 34;
/** Of one failure: its reason has at most 256 characters, and the widest of them four bytes. */
export const failureBytesMax = failureFixedBytes + 4 * mailboxLimits.reasonMax;
const namedFixedBytes = 42;

/** An upper bound of one message in the record of names. */
export function namesBytesMax(tenant: string, box: string): number {
  return namedFixedBytes + (tenant.length + box.length) * 3;
}

const states = ['ready', 'delayed', 'leased', 'dead'] as const;
const causes: readonly (DeathCause | undefined)[] = [undefined, 'attempts', 'expired', 'damaged'];

const flag = { deadOnExpiry: 1, group: 2, key: 4, headers: 8, bytes: 16, address: 32 } as const;

/** Stands in the record of a message that is lost: only its name and its end are told. */
export const lostContent: Content = { body: { kind: 'text', text: '' }, headers: undefined };

export interface MessageRecord {
  readonly key: BoxKey;
  readonly origin: Origin;
  readonly standing: Standing;
  readonly keptKey: KeptKey | undefined;
  readonly content: Content;
}

/** The content must be there: in memory, or given. */
export function encodeMessage(
  writer: FieldWriter,
  nowMs: number,
  message: Message,
  keptKey: KeptKey | undefined,
  content: Content,
): void {
  const { origin, box } = message;
  const { body, headers } = content;
  writer.f64(nowMs);
  writer.latin(origin.id);
  writer.u8(
    (origin.deadOnExpiry ? flag.deadOnExpiry : 0) |
      (origin.group === undefined ? 0 : flag.group) |
      (keptKey === undefined ? 0 : flag.key) |
      (headers === undefined ? 0 : flag.headers) |
      (body.kind === 'bytes' ? flag.bytes : body.kind === 'address' ? flag.address : 0),
  );
  writer.text(box.tenant.name);
  writer.text(box.name);
  if (origin.group !== undefined) writer.text(origin.group);
  writer.f64(origin.sentWallMs);
  writer.f64(origin.sentMs);
  writer.u32(origin.sizeBytes);
  writer.u32(origin.jsonBytes);
  writer.u8(origin.priority);
  writer.u32(origin.attemptsMax);
  writer.f64(origin.deadRetentionMs);
  writer.f64(origin.retentionMs);
  if (keptKey !== undefined) encodeKey(writer, keptKey);
  encodeStanding(writer, message);
  writer.u8(message.failures.length);
  for (const failure of message.failures) encodeFailure(writer, failure);
  if (headers !== undefined) writer.text(JSON.stringify(headers));
  if (body.kind === 'bytes') writer.bytes(body.bytes);
  else writer.text(body.kind === 'text' ? body.text : body.address);
}

export function decodeMessage(payload: Uint8Array): { nowMs: number; record: MessageRecord } {
  const reader = new FieldReader(payload);
  const { nowMs, flags, key, origin: fixed, keptKey } = decodeHead(reader);
  const standing = decodeStanding(reader);
  const failures = Array.from({ length: reader.u8() }, () => decodeFailure(reader));
  const headers = flags & flag.headers ? (JSON.parse(reader.text()) as MessageHeaders) : undefined;
  const body = decodeBody(reader, flags);
  end(reader);
  const address = body.kind === 'address' ? body.address : undefined;
  const origin = { ...fixed, address };
  return { nowMs, record: { key, origin, standing: { ...standing, failures }, keptKey, content: { body, headers } } };
}

/** Whose record it is, and the key in it: all that matters of a message that is gone. */
export function decodeMessageKey(payload: Uint8Array): { id: string; keptKey: KeptKey | undefined } {
  const { origin, keptKey } = decodeHead(new FieldReader(payload));
  return { id: origin.id, keptKey };
}

/** What comes first in the record of a message and never changes. */
function decodeHead(reader: FieldReader) {
  const nowMs = reader.f64();
  const id = reader.latin(idLength);
  const flags = reader.u8();
  const key = { tenant: reader.text(), box: reader.text() };
  const group = flags & flag.group ? reader.text() : undefined;
  const origin = {
    id,
    group,
    deadOnExpiry: (flags & flag.deadOnExpiry) !== 0,
    sentWallMs: reader.f64(),
    sentMs: reader.f64(),
    sizeBytes: reader.u32(),
    jsonBytes: reader.u32(),
    priority: reader.u8(),
    attemptsMax: reader.u32(),
    deadRetentionMs: reader.f64(),
    retentionMs: reader.f64(),
  };
  const keptKey = flags & flag.key ? decodeKey(reader) : undefined;
  return { nowMs, flags, key, origin, keptKey };
}

function decodeBody(reader: FieldReader, flags: number): Body {
  if (flags & flag.bytes) return { kind: 'bytes', bytes: reader.bytes() };
  const text = reader.text();
  return flags & flag.address ? { kind: 'address', address: text } : { kind: 'text', text };
}

/**
 * The latest failure goes with it where no earlier record told of it: a lease that ran out is told of with the next
 * change, a nack has a record of its own.
 */
export function encodeChanged(writer: FieldWriter, nowMs: number, message: Message): void {
  writer.f64(nowMs);
  writer.latin(message.id);
  encodeStanding(writer, message);
  const latest = message.failures.at(-1);
  const isTold = latest?.outcome === 'nack' && (message.state === 'leased' || latest.attempt !== message.attempt);
  const failure = isTold ? undefined : latest;
  writer.u8(failure === undefined ? 0 : 1);
  if (failure !== undefined) encodeFailure(writer, failure);
}

export interface ChangedRecord {
  readonly id: string;
  /** Without failures. */
  readonly standing: Standing;
  readonly failure: Failure | undefined;
}

export function decodeChanged(payload: Uint8Array): { nowMs: number; record: ChangedRecord } {
  const reader = new FieldReader(payload);
  const nowMs = reader.f64();
  const id = reader.latin(idLength);
  const standing = decodeStanding(reader);
  const failure = reader.u8() === 0 ? undefined : decodeFailure(reader);
  end(reader);
  return { nowMs, record: { id, standing, failure } };
}

export function encodeGone(writer: FieldWriter, nowMs: number, id: string): void {
  writer.f64(nowMs);
  writer.latin(id);
}

export function decodeGone(payload: Uint8Array): { nowMs: number; id: string } {
  const reader = new FieldReader(payload);
  const gone = { nowMs: reader.f64(), id: reader.latin(idLength) };
  end(reader);
  return gone;
}

export interface CarriedKey extends KeptKey {
  readonly id: string;
}

export const carriedKeyBytes = 2 * hashLength + 8 + idLength;

export function encodeKeys(writer: FieldWriter, nowMs: number, keys: readonly CarriedKey[]): void {
  writer.f64(nowMs);
  for (const key of keys) {
    encodeKey(writer, key);
    writer.latin(key.id);
  }
}

export function decodeKeys(payload: Uint8Array): { nowMs: number; keys: CarriedKey[] } {
  const reader = new FieldReader(payload);
  const nowMs = reader.f64();
  const keys: CarriedKey[] = [];
  while (!reader.atEnd) keys.push({ ...decodeKey(reader), id: reader.latin(idLength) });
  return { nowMs, keys };
}

export interface NamedMessage extends BoxKey {
  readonly id: string;
  readonly sentWallMs: number;
}

export function encodeNames(writer: FieldWriter, nowMs: number, messages: readonly Message[]): void {
  writer.f64(nowMs);
  for (const { id, box, origin } of messages) {
    writer.latin(id);
    writer.f64(origin.sentWallMs);
    writer.text(box.tenant.name);
    writer.text(box.name);
  }
}

export function decodeNames(payload: Uint8Array): { nowMs: number; named: NamedMessage[] } {
  const reader = new FieldReader(payload);
  const nowMs = reader.f64();
  const named: NamedMessage[] = [];
  while (!reader.atEnd) {
    const id = reader.latin(idLength);
    const sentWallMs = reader.f64();
    named.push({ id, sentWallMs, tenant: reader.text(), box: reader.text() });
  }
  return { nowMs, named };
}

function encodeKey(writer: FieldWriter, { hash, digest, untilMs }: KeptKey): void {
  writer.latin(hash);
  writer.latin(digest);
  writer.f64(untilMs);
}

function decodeKey(reader: FieldReader): KeptKey {
  return { hash: reader.latin(hashLength), digest: reader.latin(hashLength), untilMs: reader.f64() };
}

function encodeStanding(writer: FieldWriter, message: Message): void {
  writer.u8(states.indexOf(message.state as (typeof states)[number]));
  writer.f64(message.order);
  writer.f64(message.dueMs);
  writer.f64(message.expiresMs);
  writer.u32(message.attempt);
  writer.u32(message.fence);
  writer.u32(message.nonce);
  writer.u8(causes.indexOf(message.cause));
  writer.f64(message.deadWallMs);
}

function decodeStanding(reader: FieldReader): Standing {
  const state = states[reader.u8()];
  if (state === undefined) throw new RangeError('the record has an unknown state');
  const order = reader.f64();
  const dueMs = reader.f64();
  const expiresMs = reader.f64();
  const attempt = reader.u32();
  const fence = reader.u32();
  const nonce = reader.u32();
  const causeIndex = reader.u8();
  if (causeIndex >= causes.length) throw new RangeError('the record has an unknown cause');
  const cause = causes[causeIndex];
  return { state, order, dueMs, expiresMs, attempt, fence, nonce, cause, deadWallMs: reader.f64(), failures: [] };
}

function end(reader: FieldReader): void {
  if (!reader.atEnd) throw new RangeError('the record ends too late');
}

function encodeFailure(writer: FieldWriter, { attempt, wallMs, outcome, reason }: Failure): void {
  writer.u32(attempt);
  writer.f64(wallMs);
  writer.u8((outcome === 'nack' ? 1 : 0) | (reason === undefined ? 0 : 2));
  if (reason !== undefined) writer.text(reason);
}

function decodeFailure(reader: FieldReader): Failure {
  const attempt = reader.u32();
  const wallMs = reader.f64();
  const flags = reader.u8();
  const reason = flags & 2 ? reader.text() : undefined;
  return { attempt, wallMs, outcome: flags & 1 ? 'nack' : 'expired', reason };
}
