import { createOutboardVerifier, createSliceVerifier, groupCount } from '@ron/b3';
import { hashFromAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { addressOf, createContent, equalBytes } from './contents.ts';
import type { Answer } from './machine.ts';
import type { KnownObject } from './object-model.ts';
import { type Client, jsonOf, pick, type Session } from './session.ts';
import { Violation } from './violation.ts';

/** Content that nobody sent before. */
export function freshObject({ session, random }: Client): KnownObject {
  session.contents += 1;
  const bytes = createContent(random, `${session.world.seed}/${session.contents}`);
  return session.objects.know(addressOf(bytes), bytes);
}

export function someObject(client: Client): KnownObject {
  const known = client.session.objects.all();
  return known.length === 0 || client.random.chance(0.05) ? freshObject(client) : pick(client.random, known);
}

/** Stores: new bytes, or bytes that are already there. */
export async function put(
  client: Client,
  object = client.random.chance(0.7) ? freshObject(client) : someObject(client),
) {
  const { session, random } = client;
  const streamed = random.chance(0.3);
  const named = random.chance(0.4);
  const body = streamed ? inPieces(client, object.bytes) : object.bytes;
  const could = session.objects.mayBePresent(object);
  const beganMs = session.nowMs;
  object.attempts += 1;
  const reply = await session.call({ method: 'PUT', target: named ? `/o/${object.address}` : '/put', body });
  if (reply === 'lost') return;
  object.attempts -= 1;
  if (reply === 'down') return;
  if (reply.status === 201 || reply.status === 200) {
    const { address, stored, durability } = jsonOf(reply);
    if (address !== object.address) throw new Violation(`stored as ${address}, but the bytes are ${object.address}`);
    if (durability !== 'fsync') throw new Violation(`stored with durability ${durability} on a disk`);
    if (stored === false && !could && !session.objects.mayBePresent(object))
      throw new Violation(`${address} was never sent before`);
    session.saw(stored === true ? 'put stored' : 'put already there');
    if (stored === true && object.damaged) session.saw('object stored again after damage');
    session.objects.acknowledge(object, stored === true);
    return;
  }
  // What was refused for an I/O error may be there all the same.
  if (session.ioFaulty) object.attempts += 1;
  session.requireExcuse(reply, `PUT of ${object.address}`, beganMs);
  if (reply.code === 'insufficient_storage') session.saw('put refused: disk full');
  if (reply.code === 'unavailable') session.saw('put refused: read-only');
}

/** Bytes under the address of others: refused, and neither is stored by it. */
export async function putWrong(client: Client): Promise<void> {
  const { session, random } = client;
  const sent = freshObject(client);
  const named = random.chance(0.5) ? freshObject(client) : someObject(client);
  if (named === sent || named.address === sent.address) return;
  const beganMs = session.nowMs;
  const reply = await session.call({ method: 'PUT', target: `/o/${named.address}`, body: sent.bytes });
  if (typeof reply === 'string') return;
  if (reply.code === 'bad_digest') return session.saw('put to a wrong address refused');
  session.requireExcuse(reply, `PUT of wrong bytes as ${named.address}`, beganMs);
}

/** The client leaves in the middle. Nothing of it may be stored. */
export async function putBrokenOff(client: Client): Promise<void> {
  const { session, random } = client;
  const object = freshObject(client);
  const leaving = new AbortController();
  const until = random.integer(Math.max(1, object.bytes.byteLength));
  const body = inPieces(client, object.bytes, until, leaving);
  const reply = await session.call({ method: 'PUT', target: '/put', body, signal: leaving.signal });
  if (typeof reply === 'string') return;
  if (reply.status < 400) throw new Violation(`a body that broke off was stored as ${jsonOf(reply)['address']}`);
  session.saw('put broken off');
}

async function* inPieces({ session, random }: Client, bytes: Uint8Array, until?: number, leaving?: AbortController) {
  const end = until ?? bytes.byteLength;
  for (let at = 0; at < end; ) {
    const next = Math.min(end, at + 1 + random.integer(70_000));
    yield bytes.subarray(at, next);
    at = next;
    await session.sleep(random.unit() * 2);
  }
  if (leaving === undefined) return;
  const reason = new RonError('request_timeout', 'the client left');
  leaving.abort(reason);
  throw reason;
}

/** Reads: everything, a range, a slice, the outboard or only the head. */
export async function get(client: Client, object = someObject(client)): Promise<void> {
  const { random } = client;
  const kind = random.integer(10);
  if (kind < 4) await getWhole(client.session, object);
  else if (kind < 7) await getRange(client, object);
  else if (kind < 8) await getSlice(client, object);
  else if (kind < 9) await getOutboard(client.session, object);
  else await getHead(client.session, object);
}

export function getWhole(session: Session, object: KnownObject): Promise<void> {
  return read(session, object, { plain: object.bytes }, ({ body }) => {
    if (!equalBytes(body, object.bytes)) throw new Violation(`wrong bytes for ${object.address}`);
  });
}

export function getHead(session: Session, object: KnownObject): Promise<void> {
  return read(session, object, { method: 'HEAD' }, ({ headers }) => {
    if (Number(headers['ron-size']) !== object.bytes.byteLength)
      throw new Violation(`wrong size for ${object.address}`);
  });
}

function getRange({ session, random }: Client, object: KnownObject): Promise<void> {
  const size = object.bytes.byteLength;
  if (size === 0) return getWhole(session, object);
  const start = random.integer(size);
  const end = Math.min(size - 1, start + random.integer(100_000));
  return read(
    session,
    object,
    { headers: { range: `bytes=${start}-${end}` }, plain: object.bytes.subarray(start, end + 1) },
    ({ body, status }) => {
      if (status !== 206) throw new Violation(`a range of ${object.address} was answered with ${status}`);
      if (!equalBytes(body, object.bytes.subarray(start, end + 1)))
        throw new Violation(`wrong range of ${object.address}`);
      session.saw('range served');
    },
  );
}

function getSlice({ session, random }: Client, object: KnownObject): Promise<void> {
  const size = object.bytes.byteLength;
  const start = size === 0 ? 0 : random.integer(size);
  const length = Math.max(1, Math.min(size - start, random.integer(100_000)));
  const headers = { accept: 'application/vnd.ron.b3-slice', range: `bytes=${start}-${start + length - 1}` };
  return read(session, object, { headers: size === 0 ? { accept: headers.accept } : headers }, ({ body }) => {
    const span = size === 0 ? {} : { start, length };
    const verifier = createSliceVerifier({ root: hashFromAddress(object.address), ...span });
    const content = Buffer.concat(verifier.push(body));
    verifier.finish();
    const wanted = size === 0 ? object.bytes : object.bytes.subarray(start, start + length);
    if (!equalBytes(content, wanted)) throw new Violation(`wrong slice of ${object.address}`);
    session.saw('slice verified');
  });
}

function getOutboard(session: Session, object: KnownObject): Promise<void> {
  return read(session, object, { target: `/o/${object.address}.outboard` }, ({ body }) => {
    const size = object.bytes.byteLength;
    const verifier = createOutboardVerifier({ root: hashFromAddress(object.address), outboard: body, size });
    for (let group = 0; group < groupCount(size); group++) {
      verifier.verifyGroup(group, object.bytes.subarray(group * 65_536, (group + 1) * 65_536));
    }
    session.saw('outboard verified');
  });
}

interface ReadAsk {
  readonly method?: 'GET' | 'HEAD';
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What a body consists of: one that breaks off must be the beginning of it. */
  readonly plain?: Uint8Array;
}

/** Asks, and judges presence; `check` judges what came. */
export async function read(session: Session, object: KnownObject, ask: ReadAsk, check: (answer: Answer) => void) {
  const must = session.objects.mustBePresent(object);
  const beganMs = session.nowMs;
  const target = ask.target ?? `/o/${object.address}`;
  const answer = await session.call({
    method: ask.method ?? 'GET',
    target,
    ...(ask.headers === undefined ? {} : { headers: ask.headers }),
  });
  if (typeof answer === 'string') return;
  if (answer.status < 300 && answer.code === undefined) {
    if (!session.objects.mayBePresent(object)) throw new Violation(`${object.address} is there and was never stored`);
    return check(answer);
  }
  // A HEAD has no body to tell the code in.
  const code = answer.code ?? (answer.status === 404 ? 'not_found' : answer.status === 502 ? 'integrity' : undefined);
  if (code === 'not_found') {
    if (must && session.objects.mustBePresent(object)) session.objects.reportDamage(object, 'not_found');
    else if (object.acked) session.saw('purged object gone');
    return;
  }
  if (
    ask.plain !== undefined &&
    answer.status < 300 &&
    !equalBytes(answer.body, ask.plain.subarray(0, answer.body.byteLength))
  )
    throw new Violation(`wrong bytes before a body of ${object.address} broke off`);
  if (code === 'integrity') {
    session.saw('integrity reported');
    session.objects.reportDamage(object, 'integrity');
    return;
  }
  session.requireExcuse({ ...answer, code: code ?? codeOfStatus(answer.status) }, `${target}`, beganMs);
}

function codeOfStatus(status: number) {
  return status === 503 ? 'unavailable' : status === 504 ? 'deadline_exceeded' : 'internal';
}
