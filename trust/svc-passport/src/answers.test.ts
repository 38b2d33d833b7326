import { createSimEnv } from '@ron/kernel/sim';
import { describe, expect, test } from 'vitest';
import { Answers, answerKeptMs, answersMax } from './answers.ts';

function start() {
  const env = createSimEnv({ seed: 'answers' });
  const answers = new Answers<number>(env.clock);
  let runs = 0;
  const once = (key: string | undefined) => answers.once(['op', key], 'digest', async () => (runs += 1));
  return { env, answers, once };
}

describe('an answer', () => {
  test('is given again for 30 s and then made anew', async () => {
    const { env, once } = start();
    expect([await once('k'), await once('k'), await once(undefined)]).toEqual([1, 1, 2]);
    await env.scheduler.runFor(answerKeptMs - 1);
    expect(await once('k')).toBe(1);
    await env.scheduler.runFor(1);
    expect(await once('k')).toBe(3);
  });

  test('leaves memory after 30 s without any further call: it holds secrets', async () => {
    const { env, answers, once } = start();
    await once('a');
    await env.scheduler.runFor(1_000);
    await once('b');
    await env.scheduler.runFor(answerKeptMs - 1_001);
    expect(answers.size).toBe(2);
    await env.scheduler.runFor(1);
    expect(answers.size).toBe(1);
    await env.scheduler.runFor(1_000);
    expect(answers.size).toBe(0);
  });

  test('gives way to newer ones past 1,000', async () => {
    const { answers, once } = start();
    for (const count of [answersMax - 1, answersMax, answersMax + 1]) {
      while (answers.size < Math.min(count, answersMax)) await once(`k${answers.size}`);
      if (count > answersMax) await once('one more');
      expect(answers.size).toBe(Math.min(count, answersMax));
    }
    expect(await once('k1')).toBe(2);
    expect(await once('k0')).toBe(answersMax + 2);
  });

  test('is gone with the service', async () => {
    const { answers, once } = start();
    await once('k');
    answers[Symbol.dispose]();
    expect(answers.size).toBe(0);
  });
});
