import { describe, expect, it } from 'vitest';
import { NameModel } from './name-model.ts';

const historyMax = 3;

function setting() {
  const held = new Set<string>();
  const model = new NameModel(historyMax, {
    kept: (name, version, address) => void held.add(`${name}@${version}=${address}`),
    released: (name, version, address) => void held.delete(`${name}@${version}=${address}`),
  });
  const begin = (address: string, expected?: number) => model.begin('n', { kind: 'set', address, expected });
  const beginRemoval = (expected?: number) => model.begin('n', { kind: 'remove', address: '', expected });
  const set = (address: string, version: number) => model.acknowledge('n', begin(address), version);
  return { model, held, begin, beginRemoval, set };
}

describe('the model of names', () => {
  it('refuses versions that do not grow, repeat, or skip the expected one', () => {
    const { model, begin, set } = setting();
    set('a', 1);
    expect(() => set('b', 1)).toThrow('behind');
    const one = begin('c', 1);
    const other = begin('d', 1);
    model.acknowledge('n', one, 2);
    expect(() => model.acknowledge('n', other, 2)).toThrow('two changes became version 2');
    expect(() => model.acknowledge('n', begin('e', 2), 4)).toThrow('a change of version 2 became version 4');
  });

  it('refuses stale reads, but not those that began before', () => {
    const { model, set } = setting();
    set('a', 1);
    const before = model.floor('n');
    set('b', 2);
    model.observe('n', before, 1, 'a');
    expect(() => model.observe('n', model.floor('n'), 1, 'a')).toThrow('was read after');
    expect(() => model.observe('n', model.floor('n'), 0, undefined)).toThrow('version 2 is gone');
    expect(() => model.observe('n', before, 2, 'x')).toThrow('version 2 is x now and was b');
    expect(() => model.observe('n', before, 3, 'c')).toThrow('nobody made version 3');
  });

  it('takes a conflict only when somebody else may have been first', () => {
    const { model, begin, set } = setting();
    set('a', 1);
    expect(() => model.refuseAsStale('n', begin('b', 1))).toThrow('a fitting set of version 1 was refused');
    model.refuseAsStale('n', begin('b', 7));
    const [one, other] = [begin('c', 1), begin('d', 1)];
    model.refuseAsStale('n', one);
    model.acknowledge('n', other, 2);
  });

  it('counts on after a removal', () => {
    const { model, begin, beginRemoval, set } = setting();
    set('a', 1);
    model.acknowledge('n', beginRemoval(1), 1);
    model.observe('n', model.floor('n'), 0, undefined);
    expect(() => model.observe('n', model.floor('n'), 1, 'a')).toThrow('was read after');
    model.acknowledge('n', begin('b', 0), 2);
    expect(model.version('n')).toBe(2);
  });

  it('lets changes without an answer have happened or not, once it is settled', () => {
    const { model, begin, set } = setting();
    set('a', 1);
    begin('b', 1);
    begin('c', 1);
    const versions = [
      { version: 2, address: 'c' },
      { version: 1, address: 'a' },
    ];
    expect(model.settle('n', true, versions)).toEqual({ kept: 1, lost: 1 });
    expect(() => model.observe('n', model.floor('n'), 3, 'b')).toThrow('nobody made version 3');
    expect(() => model.settle('n', true, versions.slice(1))).toThrow('but 4 was acknowledged');
    expect(() => model.settle('n', false, versions)).toThrow('removed by nobody');
    expect(() => model.settle('n', true, versions.slice(0, 1))).toThrow('only 1 of 2 versions');
  });

  it('holds the versions that the history certainly keeps', () => {
    const { held, begin, set } = setting();
    for (let version = 1; version <= 4; version++) set(`a${version}`, version);
    expect([...held]).toEqual(['n@2=a2', 'n@3=a3', 'n@4=a4']);
    begin('a5');
    expect([...held]).toEqual(['n@3=a3', 'n@4=a4']);
  });
});
