import { expect, test } from 'vitest';
import { Hints } from './hints.ts';

/** What `listener` would be told by what `from` publishes. */
function told(publish: (from: Hints) => void): (readonly string[] | undefined)[] {
  const heard: (readonly string[] | undefined)[] = [];
  const [from, to] = [new Hints('one'), new Hints('two')];
  to.subscribe('topic', (keys) => heard.push(keys));
  publish(from);
  for (const payload of from.take()) to.heard(payload);
  expect(from.take()).toEqual([]);
  return heard;
}

test('what is published between two tellings goes together, each key once', () => {
  const heard = told((from) => {
    for (const key of ['a', 'b', 'a']) from.publish('topic', key);
  });
  expect(heard).toEqual([['a', 'b']]);
  expect(told((from) => from.publish('other', 'a'))).toEqual([]);
});

test.each([
  [1_000, false],
  [1_001, true],
])('%i keys at once: anything may have changed: %s', (count, anything) => {
  const heard = told((from) => {
    for (let key = 0; key < count; key += 1) from.publish('topic', String(key));
  });
  expect(heard).toHaveLength(1);
  expect(heard[0] === undefined).toBe(anything);
});

test('a payload stays below what the server takes', () => {
  const from = new Hints('one');
  for (let key = 0; key < 900; key += 1) from.publish('topic', `é${'x'.repeat(50)}${key}`);
  for (const payload of from.take()) expect(Buffer.byteLength(payload)).toBeLessThan(8_000);
});

test.each(['', 'x', 'null', '1', '{}', '{"from":"a","topic":"topic","keys":[1]}', '{"from":1,"topic":"topic"}'])(
  'a payload that cannot be read (%j) means that anything may have changed',
  (payload) => {
    const heard: unknown[] = [];
    const hints = new Hints('two');
    hints.subscribe('topic', (keys) => heard.push(keys));
    hints.heard(payload);
    expect(heard).toEqual([undefined]);
  },
);

test('its own hints, and hints after the subscription ended, are not heard', () => {
  const heard: unknown[] = [];
  const hints = new Hints('two');
  const subscription = hints.subscribe('topic', (keys) => heard.push(keys));
  hints.publish('topic', 'a');
  for (const payload of hints.take()) hints.heard(payload);
  subscription[Symbol.dispose]();
  hints.missed();
  expect(heard).toEqual([]);
});
