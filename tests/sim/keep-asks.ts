import type { CollectOutput } from '@ron/proto/storage';
import type { Static } from 'typebox';
import { someObject } from './object-asks.ts';
import { type Client, jsonBody, jsonOf, pick, type Session } from './session.ts';
import { Violation } from './violation.ts';

/** Which of some objects are there. What is said to be there need not be sent, so it must be durable. */
export async function has(client: Client): Promise<void> {
  const { session, random } = client;
  const asked = [...new Set(Array.from({ length: 1 + random.integer(8) }, () => someObject(client)))];
  const must = asked.filter((object) => session.objects.mustBePresent(object));
  const beganMs = session.nowMs;
  const body = jsonBody({ addresses: asked.map(({ address }) => address) });
  const reply = await session.call({ method: 'POST', target: '/o/has', body });
  if (typeof reply === 'string') return;
  if (reply.status !== 200) return session.requireExcuse(reply, 'has', beganMs);
  const { present, missing } = jsonOf(reply) as { present: string[]; missing: string[] };
  if (present.length + missing.length !== asked.length) throw new Violation('has: some addresses have no answer');
  for (const object of asked) {
    if (present.includes(object.address)) {
      if (!session.objects.mayBePresent(object)) throw new Violation(`has: nobody stored ${object.address}`);
      if (!object.damaged) session.objects.acknowledge(object, false);
    } else if (must.includes(object) && session.objects.mustBePresent(object)) {
      session.objects.reportDamage(object, 'missing');
    }
  }
}

/** Keeps an object by a pin, or lets it go. */
export async function pinOrUnpin(client: Client): Promise<void> {
  const { session, random } = client;
  const object = someObject(client);
  // Of this client alone, so that no other pin or unpin of the same holder is under way.
  const holder = client.name;
  const beganMs = session.nowMs;
  const { address } = object;
  if (random.chance(0.4)) {
    session.objects.release(object, `pin ${holder}`);
    const reply = await session.machine.storage((peer) => peer.unpin({ address, holder }));
    session.trace(`unpin ${address} for ${holder}: ${JSON.stringify(reply)}`);
    if (typeof reply === 'string') excuse(session, reply, 'unpin', beganMs);
    return;
  }
  const must = session.objects.mustBePresent(object);
  const reply = await session.machine.storage((peer) => peer.pin({ address, holder }));
  session.trace(`pin ${address} for ${holder}: ${JSON.stringify(reply)}`);
  if (typeof reply !== 'string') {
    if (!session.objects.mayBePresent(object)) throw new Violation(`pin: nobody stored ${address}`);
    session.objects.hold(object, `pin ${holder}`);
  } else if (reply === 'not_found') {
    if (must && session.objects.mustBePresent(object)) session.objects.reportDamage(object, 'not found for a pin');
  } else excuse(session, reply, 'pin', beganMs);
}

function excuse(session: Session, reply: string, what: string, beganMs: number): void {
  if (reply === 'lost' || reply === 'down') return;
  session.requireExcuseFor(reply as Parameters<Session['requireExcuseFor']>[0], what, beganMs);
}

const collecting = new WeakMap<Session, number>();

/** Garbage collection, sometimes only asked what it would do. */
export async function collect({ session, random }: Client): Promise<void> {
  const dry = random.chance(0.2);
  if (!dry) session.objects.collections += 1;
  const others = collecting.get(session) ?? 0;
  collecting.set(session, others + 1);
  const beganMs = session.nowMs;
  const reply = await session.call({ method: 'POST', target: '/admin/collect', body: jsonBody({ dry_run: dry }) });
  collecting.set(session, (collecting.get(session) ?? 1) - 1);
  if (typeof reply === 'string') return;
  if (reply.status === 200) {
    const { trashed, purged } = jsonOf(reply) as Static<typeof CollectOutput>;
    if (!dry) session.saw('objects trashed', trashed);
    if (!dry) session.saw('objects purged', purged);
    return;
  }
  if (reply.code === 'conflict' && (others > 0 || (collecting.get(session) ?? 0) > 0)) return;
  // Damaged bundles stop a collection: what they listed is unknown.
  if (reply.code === 'unavailable' && (session.weather.flips > 0 || session.weather.errors > 0)) return;
  session.requireExcuse(reply, 'collect', beganMs);
}

export async function undelete(client: Client): Promise<void> {
  const { session } = client;
  const object = someObject(client);
  const must = session.objects.mustBePresent(object);
  const beganMs = session.nowMs;
  const body = jsonBody({ address: object.address });
  const reply = await session.call({ method: 'POST', target: '/admin/undelete', body });
  if (typeof reply === 'string') return;
  if (reply.status === 200) {
    if (!session.objects.mayBePresent(object)) throw new Violation(`undelete: nobody stored ${object.address}`);
    if (jsonOf(reply)['state'] !== 'live') throw new Violation(`${object.address} is not live after undelete`);
    if (session.objects.mayBeGone(object)) session.saw('object undeleted');
    if (!object.damaged) session.objects.acknowledge(object, false);
  } else if (reply.code === 'not_found') {
    if (must && session.objects.mustBePresent(object)) session.objects.reportDamage(object, 'not found for undelete');
  } else session.requireExcuse(reply, 'undelete', beganMs);
}

export async function scrub({ session, random }: Client): Promise<void> {
  const action = pick(random, ['start', 'start', 'status', 'stop']);
  const beganMs = session.nowMs;
  const reply = await session.call({ method: 'POST', target: '/admin/scrub', body: jsonBody({ action }) });
  if (typeof reply === 'string') return;
  if (reply.status !== 200) return session.requireExcuse(reply, 'scrub', beganMs);
  const { running, checked_objects, bad } = jsonOf(reply) as {
    running: boolean;
    checked_objects: number;
    bad: string[];
  };
  if (!running && checked_objects > 0) session.saw('scrub finished');
  for (const address of bad) {
    const object = session.objects.find(address);
    // A bad object that nobody acknowledged is nobody's loss.
    if (object !== undefined && session.objects.mustBePresent(object))
      session.objects.reportDamage(object, 'bad in a scrub');
  }
}

/** Small questions of the operator; each must be answered. */
export async function look(client: Client): Promise<void> {
  const { session, random } = client;
  const beganMs = session.nowMs;
  const object = someObject(client);
  const isPinned = () => [...object.holders].some((holder) => holder.startsWith('pin ') && !holder.includes('>'));
  const held = isPinned();
  const why = random.chance(0.6);
  const reply = why
    ? await session.call({ method: 'POST', target: '/admin/why', body: jsonBody({ address: object.address }) })
    : await session.call({ method: 'POST', target: '/admin/usage', body: jsonBody({}) });
  if (typeof reply === 'string') return;
  if (reply.status !== 200) {
    if (reply.code === 'unavailable' && (session.weather.flips > 0 || session.weather.errors > 0)) return;
    return session.requireExcuse(reply, why ? 'why' : 'usage', beganMs);
  }
  if (!why) return;
  const { holders } = jsonOf(reply) as { holders: { kind: string }[] };
  const pinned = holders.some(({ kind }) => kind === 'pin');
  if (held && isPinned() && !pinned && !object.damaged && session.weather.flips === 0)
    throw new Violation(`the pin of ${object.address} is forgotten`);
  if (pinned) session.saw('pin kept an object');
}
