import { encodeManifest } from '@ron/naming';
import { addressOf } from './contents.ts';
import { freshObject, put, read, someObject } from './object-asks.ts';
import type { KnownObject } from './object-model.ts';
import { type Client, jsonBody, jsonOf, pick, type Session } from './session.ts';
import { Violation } from './violation.ts';

const pool = ['docs/readme', 'site', 'photos/2026', 'photos', 'latest'];

/** Points a name at an object: blindly, as a new name, or from the version that the client last heard of. */
export async function setName(client: Client, object = someObject(client)): Promise<void> {
  const { session, random } = client;
  const name = pick(random, pool);
  const seen = session.names.version(name);
  const stale = random.chance(0.15);
  const kind = random.integer(3);
  const expected = kind === 0 ? undefined : kind === 1 && seen > 0 ? Math.max(1, seen - (stale ? 1 : 0)) : 0;
  const condition: Record<string, string> =
    expected === undefined ? {} : expected === 0 ? { 'if-none-match': '*' } : { 'if-match': `"${expected}"` };
  const removed = session.names.floor(name) % 2 === 1;
  const beganMs = session.nowMs;
  const must = session.objects.mustBePresent(object);
  const ticket = session.names.begin(name, { kind: 'set', address: object.address, expected });
  const body = jsonBody({ address: object.address });
  const reply = await session.call({ method: 'PUT', target: `/name/${name}`, headers: condition, body });
  if (reply === 'lost') return;
  if (reply === 'down') return session.names.refuse(name, ticket);
  if (reply.status === 200) {
    session.names.acknowledge(name, ticket, Number(jsonOf(reply)['version']));
    session.saw('name set');
    if (removed) session.saw('name set again after removal');
    return;
  }
  if (reply.code === 'not_found') {
    session.names.refuse(name, ticket);
    if (must && session.objects.mustBePresent(object)) session.objects.reportDamage(object, 'not found for a name');
    return;
  }
  if (reply.code === 'conflict') {
    session.saw('name conflict');
    return session.names.refuseAsStale(name, ticket);
  }
  // A failed commit may be there after a restart: the ticket stays open.
  if (reply.code !== 'unavailable') session.names.refuse(name, ticket);
  session.requireExcuse(reply, `set ${name}`, beganMs);
}

export async function removeName({ session, random }: Client): Promise<void> {
  const name = pick(random, pool);
  const seen = session.names.version(name);
  const expected = random.chance(0.5) && seen > 0 ? seen : undefined;
  const headers: Record<string, string> = expected === undefined ? {} : { 'if-match': `"${expected}"` };
  const beganMs = session.nowMs;
  const ticket = session.names.begin(name, { kind: 'remove', address: '', expected });
  const reply = await session.call({ method: 'DELETE', target: `/name/${name}`, headers });
  if (reply === 'lost') return;
  if (reply === 'down') return session.names.refuse(name, ticket);
  if (reply.status === 200) {
    session.names.acknowledge(name, ticket, Number(jsonOf(reply)['version']));
    return session.saw('name removed');
  }
  if (reply.code === 'conflict' || reply.code === 'not_found') return session.names.refuseAsStale(name, ticket);
  if (reply.code !== 'unavailable') session.names.refuse(name, ticket);
  session.requireExcuse(reply, `remove ${name}`, beganMs);
}

export async function resolveName({ session, random }: Client): Promise<void> {
  const name = pick(random, pool);
  const floor = session.names.floor(name);
  const beganMs = session.nowMs;
  const fresh = random.chance(0.3) ? '?fresh=true' : '';
  const reply = await session.call({ method: 'GET', target: `/name/resolve/${name}${fresh}` });
  if (typeof reply === 'string') return;
  if (reply.status === 200) {
    const { version, address } = jsonOf(reply);
    return session.names.observe(name, floor, Number(version), String(address));
  }
  if (reply.code === 'not_found') return session.names.observe(name, floor, 0, undefined);
  session.requireExcuse(reply, `resolve ${name}`, beganMs);
}

export async function listNames({ session }: Client): Promise<void> {
  const floors = new Map(pool.map((name) => [name, session.names.floor(name)]));
  const beganMs = session.nowMs;
  const reply = await session.call({ method: 'GET', target: '/names' });
  if (typeof reply === 'string') return;
  if (reply.status !== 200) return session.requireExcuse(reply, 'list of names', beganMs);
  const { names } = jsonOf(reply) as { names: { name: string; version: number; address: string }[] };
  const listed = names.map(({ name }) => name);
  if ([...listed].sort().join() !== listed.join()) throw new Violation(`names out of order: ${listed.join(', ')}`);
  for (const name of pool) {
    const found = names.find((record) => record.name === name);
    session.names.observe(name, floors.get(name)!, found?.version ?? 0, found?.address);
  }
}

/** A bundle: its files, its manifest, a name for it, and a file read through it. */
export async function bundle(client: Client): Promise<void> {
  const { session, random } = client;
  const files = Array.from({ length: 1 + random.integer(4) }, () =>
    random.chance(0.6) ? freshObject(client) : someObject(client),
  );
  for (const file of files) await put(client, file);
  const entries = files.map((file, index) => ({
    path: `file-${index}.bin`,
    address: file.address,
    size: file.bytes.byteLength,
    mime: 'application/octet-stream',
  }));
  const bytes = encodeManifest(entries);
  const addresses = files.map(({ address }) => address);
  const manifest = session.objects.know(addressOf(bytes), bytes, addresses);
  await put(client, manifest);
  if (random.chance(0.7)) await setName(client, manifest);
  await readEntry(session, manifest, files, random.integer(files.length));
}

async function readEntry(session: Session, manifest: KnownObject, files: readonly KnownObject[], index: number) {
  const file = files[index]!;
  // When the manifest is the one that is missing, that is not this file's loss.
  if (!session.objects.mustBePresent(manifest) || manifest.damaged) return;
  const target = `/o/${manifest.address}/file-${index}.bin`;
  await read(session, file, { target, plain: file.bytes }, ({ body }) => {
    if (Buffer.compare(body, file.bytes) !== 0) throw new Violation(`wrong bytes at ${target}`);
    session.saw('entry of a bundle served');
  });
}

/** What a name points at, as a browser asks for it. */
export async function viewName({ session, random }: Client): Promise<void> {
  const name = pick(random, pool);
  const floor = session.names.floor(name);
  const beganMs = session.nowMs;
  const reply = await session.call({ method: 'GET', target: `/n/${name}` });
  if (typeof reply === 'string' || reply.status === 308) return;
  const version = Number(reply.headers['ron-name-version'] ?? 0);
  // `photos/2026` falls back to `photos`: the longest existing name wins.
  if (reply.status !== 200 || reply.headers['ron-name'] !== name) {
    if (reply.status !== 200 && !['not_found', 'integrity'].includes(reply.code ?? ''))
      session.requireExcuse(reply, `view of ${name}`, beganMs);
    return;
  }
  const address = String(reply.headers['ron-address']);
  session.names.observe(name, floor, version, address);
  const object = session.objects.find(address);
  if (object === undefined) throw new Violation(`${name} shows ${address}, which nobody sent`);
  if (reply.code === undefined && Buffer.compare(reply.body, object.bytes) !== 0)
    throw new Violation(`wrong bytes for ${name}`);
}

export { pool as namePool };
