import { hashTree } from '@ron/b3';
import type { Answer, Ask, Reply } from './machine.ts';
import { freshObject, getWhole } from './object-asks.ts';
import type { KnownObject } from './object-model.ts';
import type { Client, Session } from './session.ts';
import { Violation } from './violation.ts';

const groupBytes = 65_536;

interface Sending {
  readonly object: KnownObject;
  readonly verified: boolean;
  readonly id: string;
  /** Bytes from the start that the node said it keeps. */
  ackedOffset: number;
  /** The rest was sent at least once: it may be complete. */
  mayBeDone: boolean;
  /** Answers that a crash took. */
  lost: number;
}

/** An upload in pieces that goes on after crashes, plain or verified group by group. */
export async function upload(client: Client): Promise<void> {
  const { session, random } = client;
  const object = freshObject(client);
  const verified = random.chance(0.5);
  const sending = await create(client, object, verified, verified || random.chance(0.5));
  if (sending === undefined) return;
  object.attempts += 1;
  for (let tries = 0; tries < 12; tries++) {
    const state = await session.turn(() => status(client, sending));
    if (state === 'gone') return;
    if (state === 'retry') {
      await session.sleep(20);
      continue;
    }
    if (state === 'done') return;
    const done = await session.turn(() => sendOne(client, sending, state));
    if (done) return;
  }
}

async function create(client: Client, object: KnownObject, verified: boolean, announced: boolean) {
  const { session } = client;
  const size = object.bytes.byteLength;
  const beganMs = session.nowMs;
  const headers: Record<string, string> = { 'upload-length': String(size) };
  if (announced) headers['ron-address'] = object.address;
  if (verified) headers['content-type'] = 'application/vnd.ron.b3-outboard';
  const body = verified ? hashTree(object.bytes).outboard : undefined;
  object.attempts += 1;
  const ask = { method: 'POST', target: '/uploads', headers };
  const reply = await session.call(body === undefined ? ask : { ...ask, body });
  if (typeof reply === 'string') return undefined;
  if (reply.status !== 201) {
    session.requireExcuse(reply, 'creation of an upload', beganMs);
    return undefined;
  }
  const id = String(reply.headers['ron-upload-id']);
  const sending: Sending = { object, verified, id, ackedOffset: 0, mayBeDone: size === 0, lost: 0 };
  return finished(session, sending, reply) ? undefined : sending;
}

/** Where to go on: an offset for plain uploads, the first missing group's for verified ones. */
async function status(client: Client, sending: Sending): Promise<number | 'gone' | 'retry' | 'done'> {
  const { session } = client;
  const beganMs = session.nowMs;
  const reply = await session.call({ method: 'HEAD', target: `/uploads/${sending.id}` });
  const trouble = await judge(session, sending, reply, beganMs);
  if (trouble !== undefined) return trouble;
  const answer = reply as Answer;
  if (finished(session, sending, answer)) return 'done';
  const offset = Number(answer.headers['upload-offset']);
  if (sending.lost > 0)
    session.saw(sending.verified ? 'verified upload resumed after a crash' : 'upload resumed after a crash');
  if (offset < sending.ackedOffset && session.weather.flips === 0)
    throw new Violation(`upload ${sending.id} fell from ${sending.ackedOffset} back to ${offset}`);
  return sending.verified ? firstMissing(answer, sending) : offset;
}

function firstMissing({ headers }: Answer, { object }: Sending): number {
  const bitmap = Buffer.from(String(headers['ron-missing'] ?? ''), 'base64url');
  for (let group = 0; group * groupBytes < object.bytes.byteLength; group++) {
    if (((bitmap[group >> 3] ?? 0) >> (group & 7)) & 1) return group * groupBytes;
  }
  return 0;
}

async function sendOne(client: Client, sending: Sending, offset: number): Promise<boolean> {
  const { session, random } = client;
  const { object, verified } = sending;
  const size = object.bytes.byteLength;
  const most = verified ? groupBytes * (1 + random.integer(2)) : 1 + random.integer(100_000);
  const end = Math.min(size, offset + most);
  const beganMs = session.nowMs;
  sending.mayBeDone ||= end === size || verified;
  const headers = { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' };
  const ask: Ask = {
    method: 'PATCH',
    target: `/uploads/${sending.id}`,
    headers,
    body: object.bytes.subarray(offset, end),
  };
  const reply = await session.call(ask);
  if ((await judge(session, sending, reply, beganMs)) !== undefined) return false;
  const answer = reply as Answer;
  sending.ackedOffset = Math.max(sending.ackedOffset, Number(answer.headers['upload-offset']));
  return finished(session, sending, answer);
}

/** Undefined: a good answer. */
async function judge(session: Session, sending: Sending, reply: Reply, beganMs: number) {
  if (typeof reply === 'string') {
    sending.lost += 1;
    return 'retry' as const;
  }
  if (reply.status < 300) return undefined;
  if (reply.code === 'not_found' || reply.status === 404) {
    // A clock that jumped ahead makes uploads of the time before the restart expire.
    const excused = session.weather.flips > 0 || session.weather.errors > 0 || session.objects.jumpedMs > 0;
    // Completions are not remembered across a restart: the object itself tells.
    if (sending.mayBeDone && sending.lost > 0) {
      sending.object.acked ||= !excused;
      if (!excused) await getWhole(session, sending.object);
    } else if (!excused) throw new Violation(`upload ${sending.id} is gone`);
    return 'gone' as const;
  }
  // A bit flipped in what was staged: the whole is refused in the end, as it must be.
  if ((reply.code === 'bad_digest' || reply.status === 422) && session.weather.flips > 0) return 'gone' as const;
  // Where the client named no address, the whole was stored under that of the flipped bytes, and the client saw it.
  if (reply.code === 'conflict' && session.weather.flips > 0) return 'gone' as const;
  const code =
    reply.code ?? (reply.status === 503 ? 'unavailable' : reply.status === 507 ? 'insufficient_storage' : 'internal');
  session.requireExcuse({ ...reply, code }, `upload ${sending.id}`, beganMs);
  return 'retry' as const;
}

function finished(session: Session, { object }: Sending, { headers }: Answer): boolean {
  const complete =
    Number(headers['upload-offset']) === object.bytes.byteLength && headers['ron-address'] === object.address;
  if (!complete || headers['ron-missing'] !== undefined) return false;
  session.objects.acknowledge(object, true);
  session.saw('upload completed');
  return true;
}
