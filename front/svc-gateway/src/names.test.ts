import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { addressOf } from './fixtures/map-peers.ts';
import { bytesOf, callOf, everything, type StartedGateway, startGateway } from './fixtures/start-gateway.ts';
import { expectationOf } from './name-versions.ts';

let node: StartedGateway;
let one: string;
let two: string;

beforeEach(async () => {
  node = await startGateway();
  one = node.storage.add(bytesOf(1, 1));
  two = node.storage.add(bytesOf(2, 2));
});

describe('what a caller expects of a name', () => {
  it('reads versions and stars', () => {
    expect(expectationOf(undefined, undefined)).toEqual({ kind: 'version', version: undefined });
    expect(expectationOf('"7"', undefined)).toEqual({ kind: 'version', version: 7 });
    expect(expectationOf(' "9007199254740991" ', undefined)).toEqual({
      kind: 'version',
      version: Number.MAX_SAFE_INTEGER,
    });
    expect(expectationOf('*', undefined)).toEqual({ kind: 'exists' });
    expect(expectationOf(undefined, '*')).toEqual({ kind: 'version', version: 0 });
  });

  it.each([
    '7',
    '"0"',
    '"07"',
    '"-1"',
    '"1.5"',
    '"a"',
    '""',
    '',
    'W/"7"',
    '"7", "8"',
    '"9007199254740992"',
    '"99999999999999999"',
  ])('refuses If-Match: %s', (header) => {
    expect(() => expectationOf(header, undefined)).toThrow(expect.objectContaining({ code: 'bad_request' }));
  });

  it('refuses other If-None-Match headers, and both at once', () => {
    for (const [match, noneMatch] of [
      [undefined, '"7"'],
      [undefined, ''],
      ['"7"', '*'],
      ['*', '*'],
    ]) {
      expect(() => expectationOf(match, noneMatch)).toThrow(expect.objectContaining({ code: 'bad_request' }));
    }
  });

  it('reads back every version', () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat().filter((version) => version > 0),
        (version) => {
          expect(expectationOf(`"${version}"`, undefined)).toEqual({ kind: 'version', version });
        },
      ),
    );
  });
});

describe('set_name', () => {
  const set = (fields: object, address = one) =>
    Promise.resolve(node.handlers.set_name({ name: 'a/b', address, ...fields }, callOf()));

  it('makes, moves and guards a name', async () => {
    expect(await set({ if_none_match: '*' })).toMatchObject({ version: 1, address: one });
    await expect(set({ if_none_match: '*' }, two)).rejects.toMatchObject({ code: 'conflict', details: { version: 1 } });
    await expect(set({ if_match: '"2"' }, two)).rejects.toMatchObject({ code: 'conflict', details: { version: 1 } });
    expect(await set({ if_match: '"1"' }, two)).toMatchObject({ version: 2, prev: one });
    expect(await set({}, one)).toMatchObject({ version: 3 });
    expect(await set({ if_match: '*', expires_at: 5 }, two)).toMatchObject({ version: 4, expires_at: 5 });
  });

  it('takes If-Match: * for a name that exists only', async () => {
    await expect(set({ if_match: '*' })).rejects.toMatchObject({ code: 'not_found' });
    expect(node.index.records.size).toBe(0);
  });

  it('points at nothing that is not here', async () => {
    const absent = addressOf(bytesOf(9));
    await expect(set({}, absent)).rejects.toMatchObject({ code: 'not_found', details: { address: absent } });
    expect(node.index.calls).toEqual([]);
  });

  it('refuses bad names and headers before it asks anyone', async () => {
    await expect(set({ name: 'A' })).rejects.toMatchObject({ code: 'bad_request', details: { rule: 'name.case' } });
    await expect(set({ name: 'a/../b' })).rejects.toMatchObject({ code: 'bad_request' });
    await expect(set({ if_match: '1' })).rejects.toMatchObject({ code: 'bad_request' });
    expect([...node.index.calls, ...node.storage.calls]).toEqual([]);
  });
});

describe('other name operations', () => {
  beforeEach(async () => {
    await node.index.peer.set({ name: 'a/b', address: one });
    node.index.calls.length = 0;
  });

  it('resolve, with freshness passed on', async () => {
    expect(await node.handlers.resolve({ name: 'a/b', fresh: true }, callOf())).toMatchObject({ address: one });
    expect(() => node.handlers.resolve({ name: 'a//b' }, callOf())).toThrow(
      expect.objectContaining({ code: 'bad_request' }),
    );
  });

  it('remove, guarded by version', async () => {
    await expect(node.handlers.remove_name({ name: 'a/b', if_match: '"2"' }, callOf())).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(await node.handlers.remove_name({ name: 'a/b', if_match: '"1"' }, callOf())).toEqual({
      name: 'a/b',
      version: 1,
    });
    await expect(node.handlers.remove_name({ name: 'a/b', if_match: '*' }, callOf())).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('history, by the suffix of the path', async () => {
    const page = await node.handlers.history({ path: 'a/b/history', limit: 5 }, callOf());
    expect(page.records).toHaveLength(1);
    for (const path of ['a/b', 'history', '/history', 'a/b/History']) {
      expect(() => node.handlers.history({ path }, callOf())).toThrow(expect.objectContaining({ code: 'bad_request' }));
    }
  });

  it('history needs the right to read the name, not only a name called history below it', () => {
    const narrow = { ...everything, allows: (_method: string, resource: string) => resource === 'n/a/b/history' };
    const asking = () => node.handlers.history({ path: 'a/b/history' }, callOf(undefined, true, narrow));
    expect(asking).toThrow(expect.objectContaining({ code: 'forbidden' }));
    expect(node.index.calls).toEqual([]);
  });

  it('list, by prefix', async () => {
    await node.index.peer.set({ name: 'c', address: one });
    expect((await node.handlers.list_names({ prefix: 'a/' }, callOf())).names.map(({ name }) => name)).toEqual(['a/b']);
    expect((await node.handlers.list_names({}, callOf())).names).toHaveLength(2);
  });
});
