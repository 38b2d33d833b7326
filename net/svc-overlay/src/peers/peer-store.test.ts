import { createSimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SmallNetwork } from '../testing/small-network.ts';
import { createDiskPeerStore, createRamPeerStore, type StoredPeers } from './peer-store.ts';

const warnings: string[] = [];
const silent = () => undefined;
const log = {
  debug: silent,
  info: silent,
  warn: (_fields: object, message: string) => void warnings.push(message),
  error: silent,
  child: () => log,
};
const peersWith = (throughput: number): StoredPeers => ({
  v: 1,
  records: [],
  bans: [{ id: 'a'.repeat(64), reason: 'flood', until: 5 }],
  qualities: [{ id: 'b'.repeat(64), throughput, failures: 0.5 }],
});

describe('the peer store', () => {
  test.each(['disk', 'RAM'])('on %s gives back what was saved, and nothing at first', async (kind) => {
    const env = createSimEnv({ seed: 1 });
    const store =
      kind === 'disk' ? createDiskPeerStore({ disk: env.disk, log, path: 'peers.json' }) : createRamPeerStore();
    const work = (async () => {
      expect((await store.load()).records).toEqual([]);
      await store.save(peersWith(1));
      await store.save(peersWith(2));
      return store.load();
    })();
    expect(await env.scheduler.settle(work)).toEqual(peersWith(2));
  });

  test('after a power cut at any moment has the old or the new content', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(60), fc.nat(), async (afterSteps, seed) => {
        const env = createSimEnv({ seed });
        const store = createDiskPeerStore({ disk: env.disk, log, path: 'peers.json' });
        await env.scheduler.settle(store.save(peersWith(1)));
        void store.save(peersWith(2)).catch(silent);
        await env.scheduler.runFor(afterSteps / 10);
        const next = env.crash();
        const again = createDiskPeerStore({ disk: next.disk, log, path: 'peers.json' });
        const { qualities } = await next.scheduler.settle(again.load());
        expect([1, 2]).toContain(qualities[0]?.throughput);
        await next.scheduler.settle(again.save(peersWith(3)));
      }),
    );
  });

  test.each(['', '{', '{"v":2}', '{"v":1,"records":[{}],"bans":[],"qualities":[]}', '\xff\xfe'])(
    'that is damaged (%j) is empty, with a warning',
    async (text) => {
      const env = createSimEnv({ seed: 1 });
      const write = async () => {
        await using file = await env.disk.open('peers.json', 'create');
        await file.write([Buffer.from(text, 'latin1')], 0);
      };
      await env.scheduler.settle(write());
      const store = createDiskPeerStore({ disk: env.disk, log, path: 'peers.json' });
      warnings.length = 0;
      expect((await env.scheduler.settle(store.load())).bans).toEqual([]);
      expect(warnings).toHaveLength(1);
    },
  );

  test('lets a node join again without its seed, and keeps its bans', async () => {
    using net = await SmallNetwork.create();
    const store = createRamPeerStore();
    await net.start(2);
    const node = net.make(2, { store });
    await net.run(node.start());
    await net.until(() => net.isComplete());
    node.bans.ban('c'.repeat(64), 'operator', 1_000_000);
    await net.run(node[Symbol.asyncDispose]());
    net.crash(net.nodes[0]!);
    const again = net.make(2, { store });
    await net.run(again.start());
    await net.until(() => again.isPresent(net.nodes[1]!.id));
    expect(again.isBanned('c'.repeat(64))).toBe(true);
  });
});
