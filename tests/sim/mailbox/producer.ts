import type { SimRandom } from '@ron/kernel/sim';
import { messageId, sendCommand } from '../../contract/engines/mailbox-calls.ts';
import type { SendCall } from '../../contract/engines/mailbox-history.ts';
import { limits } from './machine.ts';
import { boxes, type Recorder } from './recorder.ts';

/** Of one message: what its sender repeats until there is an answer. */
interface Letter {
  readonly box: string;
  readonly key: string | undefined;
  readonly group: string | undefined;
  readonly delayMs: number;
  readonly ttlMs: number | undefined;
  readonly deadOnExpiry: boolean;
  readonly priority: number;
  readonly padding: number;
}

const triesMax = 6;

/** Sends messages, most of them with a key, and repeats those whose answer was lost. */
export async function produce(recorder: Recorder, name: string, count: number): Promise<void> {
  const random = recorder.world.random.fork(name);
  const { machine, sightings } = recorder;
  let last: Letter | undefined;
  for (let sent = 0; sent < count && !recorder.over; sent += 1) {
    await machine.sleep(random.unit() * 900);
    // Sometimes the one before once more, as if its answer had been lost, perhaps when its key is forgotten.
    const again = last?.key !== undefined && random.chance(0.15);
    const letter: Letter = again ? last! : write(random, `${name}-${sent}`);
    if (again && random.chance(0.15)) await machine.sleep(limits.keyWindowMs + 1_000 + random.unit() * 20_000);
    last = letter;
    const life = machine.life;
    for (let tries = 0; tries < triesMax && !recorder.over; tries += 1) {
      const outcome = await sendOnce(recorder, letter, random);
      if (outcome === 'duplicate' && machine.life > life) sightings.note('repeated send recognised after a restart');
      if (outcome === 'new' && again) sightings.note('key used again after its window');
      if (outcome !== 'again' || letter.key === undefined) break;
      await machine.sleep(50 + random.unit() * 1_000);
    }
  }
}

function write(random: SimRandom, key: string): Letter {
  return {
    box: boxes[random.integer(boxes.length)]!,
    key: random.chance(0.8) ? key : undefined,
    group: random.chance(0.4) ? `g${random.integer(2)}` : undefined,
    delayMs: random.chance(0.15) ? 1 + random.integer(3_000) : 0,
    ttlMs: random.chance(0.2) ? 500 + random.integer(10_000) : undefined,
    deadOnExpiry: random.chance(0.5),
    priority: random.integer(3) * 4,
    padding: random.chance(0.2) ? 2_000 + random.integer(16_000) : random.integer(300),
  };
}

async function sendOnce(recorder: Recorder, letter: Letter, random: SimRandom): Promise<'new' | 'duplicate' | 'again'> {
  const { machine, sightings } = recorder;
  const { box, key, group, padding, ...more } = letter;
  const id = messageId(recorder.nextId());
  const text = `${id} ${'x'.repeat(padding)}`;
  recorder.sent(id, text);
  const size = { sizeBytes: text.length, jsonBytes: text.length + 2, sentWallMs: machine.env.clock.wallMs() };
  const content = { body: { kind: 'text', text }, headers: random.chance(0.1) ? { from: box } : undefined } as const;
  const command = sendCommand(0, { ...more, ...size, id, box, group, content });
  // Spread out: the engine expects hashes.
  const hash = key === undefined ? undefined : `${key.padEnd(12, '.').slice(0, 12)}${box.slice(0, 4)}`;
  const digest = 'same'.repeat(4);
  const invokedMs = recorder.nowMs;
  const sending = { ...command, key: hash === undefined ? undefined : { hash, digest } };
  const result = await machine.ask('send', (engine) => engine.execute(sending));
  if (result === 'down') return 'again';
  if (result === 'full') {
    sightings.note('send refused: disk full');
    return 'again';
  }
  const call = { op: 'send', box, invokedMs, id, key, group, deadOnExpiry: letter.deadOnExpiry } as const;
  const ttlMs = letter.ttlMs ?? limits.retentionMs;
  const unknown: SendCall = { ...call, ttlMs, respondedMs: undefined, answer: undefined };
  if (result === 'lost') {
    recorder.add(unknown);
    return 'again';
  }
  const { answer } = result;
  recorder.add({ ...unknown, respondedMs: recorder.nowMs, answer: answer.ok ? answer : undefined });
  if (!answer.ok) return 'again';
  sightings.note(answer.duplicate ? 'repeated send recognised' : 'sent');
  if (!answer.duplicate) recorder.changed(invokedMs);
  return answer.duplicate ? 'duplicate' : 'new';
}
