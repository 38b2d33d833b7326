import { describe, expect, it } from 'vitest';
import { addressOf } from './contents.ts';
import { type KnownObject, ObjectModel } from './object-model.ts';

const trashMs = 1_000;

function setting(damageMax = 0) {
  const time = { nowMs: 0 };
  const model = new ObjectModel({ nowMs: () => time.nowMs, trashMs, damageMax: () => damageMax });
  const know = (text: string, entries: readonly KnownObject[] = []) => {
    const bytes = new TextEncoder().encode(text);
    return model.know(
      addressOf(bytes),
      bytes,
      entries.map(({ address }) => address),
    );
  };
  return { time, model, know };
}

describe('the model of objects', () => {
  it('demands what was acknowledged, and nothing else', () => {
    const { model, know } = setting();
    const object = know('a');
    expect([model.mustBePresent(object), model.mayBePresent(object)]).toEqual([false, false]);
    object.attempts = 1;
    expect([model.mustBePresent(object), model.mayBePresent(object)]).toEqual([false, true]);
    model.acknowledge(object, true);
    expect(model.mustBePresent(object)).toBe(true);
  });

  it('lets go of what nobody holds, after a collection and the time in the trash', () => {
    const { time, model, know } = setting();
    const object = know('a');
    model.acknowledge(object, true);
    time.nowMs = trashMs;
    expect(model.mustBePresent(object)).toBe(true);
    model.collections = 1;
    expect(model.mustBePresent(object)).toBe(false);
    model.acknowledge(object, true);
    expect(model.mustBePresent(object)).toBe(true);
    model.jumpedMs = trashMs;
    expect(model.mustBePresent(object)).toBe(false);
  });

  it('keeps what a name holds, and what a held bundle lists', () => {
    const { time, model, know } = setting();
    const entry = know('entry');
    const late = know('late');
    const manifest = know('manifest', [entry, late]);
    model.collections = 1;
    model.acknowledge(entry, true);
    model.hold(manifest, 'site@1');
    time.nowMs = 10 * trashMs;
    model.acknowledge(late, true);
    time.nowMs = 20 * trashMs;
    expect([manifest, entry, late].map((object) => model.mustBePresent(object))).toEqual([true, true, true]);
    model.release(manifest, 'site@1');
    time.nowMs += trashMs;
    expect([manifest, entry].map((object) => model.mustBePresent(object))).toEqual([false, false]);
  });

  it('takes as many losses as there were faults, each object once', () => {
    const { model, know } = setting(1);
    const [first, second] = [know('a'), know('b')];
    for (const object of [first, second]) model.acknowledge(object, true);
    model.reportDamage(first, 'integrity');
    model.reportDamage(first, 'integrity');
    expect(() => model.reportDamage(second, 'not_found')).toThrow('2 objects damaged by 1 faults');
  });
});
