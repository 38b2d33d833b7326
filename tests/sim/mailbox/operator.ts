import { boxes, type Recorder } from './recorder.ts';

/** Looks after the dead letters now and then, and removes a message. */
export async function operate(recorder: Recorder): Promise<void> {
  const random = recorder.world.random.fork('operator');
  const { machine, sightings } = recorder;
  while (!recorder.over) {
    await machine.sleep(2_000 + random.unit() * 6_000);
    const box = boxes[random.integer(boxes.length)]!;
    const key = { tenant: 't', box };
    const letters = await machine.ask('dead letters', (engine) => engine.deadLetters(key, undefined, 10));
    if (typeof letters === 'string') continue;
    for (const { cause } of letters.answer?.items ?? []) {
      if (cause !== 'damaged') sightings.note(`dead: ${cause}`);
    }
    const ids = (letters.answer?.items ?? []).map(({ id }) => id);
    const op = (['redrive', 'purge', 'remove'] as const)[random.integer(3)]!;
    const id = op === 'remove' ? await newest(recorder, box) : ids[random.integer(ids.length)];
    if (id === undefined) continue;
    const invokedMs = recorder.nowMs;
    const call = { op, box, invokedMs, id } as const;
    const result = await machine.ask(op, async (engine) => {
      if (op === 'remove') return engine.execute({ op, ...key, id });
      return ((await engine.execute({ op, ...key, ids: [id], max: 1 }))?.moved ?? 0) > 0;
    });
    if (result === 'down' || result === 'full') continue;
    if (result === 'lost') {
      recorder.add({ ...call, respondedMs: undefined, ok: undefined });
      continue;
    }
    recorder.add({ ...call, respondedMs: recorder.nowMs, ok: result.answer });
    if (!result.answer) continue;
    recorder.changed(invokedMs);
    sightings.note(op === 'redrive' ? 'redriven' : op === 'purge' ? 'purged' : 'removed');
  }
}

async function newest({ machine }: Recorder, box: string): Promise<string | undefined> {
  const peeked = await machine.ask('peek', (engine) => engine.peek({ tenant: 't', box }, { order: 0, id: '' }, 100));
  return typeof peeked === 'string' ? undefined : peeked.answer.items.at(-1)?.id;
}
