import { expect, test } from 'vitest';
import { type Bench, createBench, everything } from './fixtures/bench.ts';
import { createRemoteExaminer, type UsableKeys } from './remote-examiner.ts';
import { createVerifier } from './verifier.ts';

/** A verifier without keys, in front of a bench that has them. */
function remoteOf({ env, authority }: Bench, options: { askingMax?: number; ask?: () => Promise<undefined> } = {}) {
  const count = { asked: 0, refreshed: 0 };
  const listed = (): UsableKeys => {
    const usable = new Set(authority.chains.usable().map(({ scheme, kid }) => `${scheme} ${kid}`));
    return { generation: authority.chains.generation, has: (scheme, kid) => usable.has(`${scheme} ${kid}`) };
  };
  let keys: UsableKeys = { generation: -1, has: () => false };
  const examiner = createRemoteExaminer({
    ask:
      options.ask ??
      (async (bytes) => {
        count.asked += 1;
        const scheme = bytes[0] === 0x02 ? 'hmac' : 'ed25519';
        return (await authority.chains.examine({ scheme, bytes })).fault;
      }),
    keys: () => keys,
    refresh: async () => {
      count.refreshed += 1;
      keys = listed();
    },
    ...(options.askingMax === undefined ? {} : { askingMax: options.askingMax }),
  });
  const verifier = createVerifier(examiner, { env, audience: 'home' });
  const refresh = () => {
    keys = listed();
  };
  return { count, refresh, verify: async (token: string) => verifier.verify(token, { remote: '127.0.0.1' }) };
}

test.each(['hmac', 'ed25519'] as const)(
  'a process without keys checks %s capabilities, and asks once for each',
  async (scheme) => {
    const bench = await createBench();
    const { count, verify } = remoteOf(bench);
    const { token, id } = await bench.authority.issue({ subject: 'ann', rights: everything, scheme });
    expect((await verify(token)).capabilityId).toBe(id);
    expect((await verify(token)).subject).toBe('ann');
    // The key was not on the list, so the list was asked for; the token itself only once.
    expect(count).toEqual({ asked: 1, refreshed: 1 });
    const { token: other } = await (await createBench({}, 'others')).authority.issue({
      subject: 'ann',
      rights: everything,
      scheme,
    });
    await expect(verify(other)).rejects.toMatchObject({ code: 'unauthenticated' });
  },
);

test('a key that is retired where the keys are is refused with the next list', async () => {
  const bench = await createBench();
  const { refresh, verify } = remoteOf(bench);
  const token = bench.authority.mint({ subject: 'ann', rights: everything });
  await verify(token);
  const [{ kid } = { kid: '' }] = bench.authority.chains.usable().filter(({ scheme }) => scheme === 'hmac');
  await bench.kms.retireKey(kid, { evenActive: true });
  await verify(token);
  refresh();
  await expect(verify(token)).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('what says nothing of its own is refused without a question', async () => {
  const { count, verify } = remoteOf(await createBench());
  await expect(verify('ron1_AAAA')).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(count.asked).toBe(0);
});

test('a few questions at a time: more are told to come again', async () => {
  const bench = await createBench();
  const { verify } = remoteOf(bench, { askingMax: 2, ask: () => new Promise(() => undefined) });
  const tokens = ['a', 'b', 'c'].map((subject) => bench.authority.mint({ subject, rights: everything }));
  void verify(tokens[0]!);
  void verify(tokens[1]!);
  await expect(verify(tokens[2]!)).rejects.toMatchObject({ code: 'unavailable' });
});
