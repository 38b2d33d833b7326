import type { SimRandom } from '@ron/kernel/sim';
import type { Grant, SettleCall } from '../../contract/engines/mailbox-history.ts';
import type { CommandOf, LeasedMessage, SettleOp } from '../../contract/engines/mailbox-model.ts';
import { boxes, type Recorder } from './recorder.ts';

/** A lease in the hands of a worker. */
interface Held {
  readonly box: string;
  readonly lease: LeasedMessage;
  readonly visibilityMs: number;
  readonly life: number;
}

/** Leases messages and does with them what workers do, until everything is over. */
export async function consume(recorder: Recorder, name: string): Promise<void> {
  const random = recorder.world.random.fork(name);
  const { machine, sightings } = recorder;
  while (!recorder.over) {
    const box = boxes[random.integer(boxes.length)]!;
    const held = await lease(recorder, random, box);
    if (held === undefined) {
      await machine.sleep(100 + random.unit() * 500);
      continue;
    }
    if (held.length === 0) {
      if (await machine.wait({ tenant: 't', box }, 100 + random.unit() * 1_500)) sightings.note('woken by a message');
      continue;
    }
    if (random.chance(0.08)) {
      // It dies, and another takes its place.
      sightings.note('worker died');
      continue;
    }
    for (const one of held) await work(recorder, random, one);
  }
}

/** Undefined: there was no answer. */
async function lease(recorder: Recorder, random: SimRandom, box: string): Promise<Held[] | undefined> {
  const { machine, sightings } = recorder;
  const visibilityMs = 250 + random.integer(random.chance(0.3) ? 1_000 : 8_000);
  const nonce = random.integer(2 ** 32);
  const max = 1 + random.integer(3);
  const invokedMs = recorder.nowMs;
  const command = { op: 'receive', tenant: 't', box, max, bytesMax: 786_432, visibilityMs, nonce } as const;
  const life = machine.life;
  const result = await machine.ask('receive', (engine) => engine.receive(command));
  if (result === 'down' || result === 'full') return undefined;
  const call = { op: 'receive', box, invokedMs, visibilityMs } as const;
  if (result === 'lost' || recorder.unreadable) recorder.add({ ...call, respondedMs: undefined, grants: [] });
  if (result === 'lost') return undefined;
  const { answer } = result;
  if (answer.length === 0) return [];
  recorder.changed(invokedMs);
  const grants = answer.map(({ id, fence, attempt }) => ({ id, fence, attempt }));
  recorder.add({ ...call, respondedMs: recorder.nowMs, grants });
  for (const message of answer) {
    recorder.checkContent(message);
    sightings.note(message.attempt > 1 ? 'delivered again' : 'delivered');
    if (message.fence > 1 && life > 1) sightings.note('delivered after a restart under a new fence');
  }
  return answer.map((message) => ({ box, lease: message, visibilityMs, life }));
}

async function work(recorder: Recorder, random: SimRandom, held: Held): Promise<void> {
  const { machine, sightings } = recorder;
  await machine.sleep(random.unit() * held.visibilityMs * 0.5);
  const what = random.unit();
  if (what < 0.12) {
    // It takes too long and does not know.
    await machine.sleep(held.visibilityMs + random.unit() * 3_000);
    await settle(recorder, 'ack', held);
  } else if (what < 0.25) {
    if ((await settle(recorder, 'nack', held, random.chance(0.5) ? random.integer(1_000) : undefined)) === true) {
      sightings.note('nacked');
    }
    if (random.chance(0.3)) await settle(recorder, 'ack', held);
  } else if (what < 0.32) {
    if ((await settle(recorder, 'release', held)) === true) sightings.note('released');
  } else if (what < 0.45) {
    if ((await settle(recorder, 'extend', held)) === true) sightings.note('extended');
    await machine.sleep(random.unit() * held.visibilityMs * 0.9);
    await settle(recorder, 'ack', held);
  } else {
    await settle(recorder, 'ack', held);
    if (random.chance(0.05)) await settle(recorder, 'ack', held);
  }
}

async function settle(recorder: Recorder, op: SettleOp, held: Held, delayMs?: number): Promise<boolean | undefined> {
  const { machine, sightings } = recorder;
  const { box, lease: token, visibilityMs } = held;
  const leases = [token];
  const more = { delayMs, reason: undefined, wallMs: machine.env.clock.wallMs(), visibilityMs };
  const command = { op, tenant: 't', box, leases, ...more } as CommandOf<'ack'>;
  const invokedMs = recorder.nowMs;
  const result = await machine.ask(op, (engine) => engine.execute(command));
  // A reserve is kept for these; when it is used up, they are refused without a change.
  if (result === 'down' || result === 'full') return undefined;
  const { id, fence } = token;
  const call: SettleCall = { op, box, invokedMs, respondedMs: undefined, id, fence, visibilityMs, ok: undefined };
  if (result === 'lost') {
    recorder.add(call);
    return undefined;
  }
  const ok = result.answer[0]!;
  recorder.add({ ...call, respondedMs: recorder.nowMs, ok });
  if (ok) {
    recorder.changed(invokedMs);
    if (op === 'ack') sightings.note('acked');
    if (recorder.full) sightings.note('settled on a full disk');
    if (machine.life > held.life) sightings.note('lease of before a restart settled');
  } else if (op === 'ack') noteStale(recorder, token);
  return ok;
}

function noteStale({ history, sightings }: Recorder, { id, fence }: Grant): void {
  const newer = history.some(
    (one) => one.op === 'receive' && one.grants.some((grant) => grant.id === id && grant.fence > fence),
  );
  sightings.note(newer ? 'ack after somebody else got the message' : 'ack after the lease had ended');
}
