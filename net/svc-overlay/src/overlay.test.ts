import type { Call } from '@ron/proto/contract';
import type { RonError } from '@ron/proto/errors';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createProbe } from './handlers/probe.ts';
import { contactOf, SmallNetwork } from './testing/small-network.ts';

let net: SmallNetwork;
beforeEach(async () => {
  net = await SmallNetwork.create();
});
afterEach(() => net[Symbol.dispose]());

describe('a probe', () => {
  const signal = new AbortController().signal;
  const callOf = { context: { signal } } as Call;

  test('says how long each answer took, and who answered', async () => {
    const [one, two] = await net.start(2);
    await net.until(() => net.isComplete());
    const probe = createProbe(one!, net.clockOf(0));
    const answer = await net.run(Promise.resolve(probe({ id: two!.id, count: 3 }, callOf)));
    expect(answer).toMatchObject({
      id: two!.id,
      state: 'alive',
      version: '0.1.0',
      region: 'eu',
      rtts_ms: [20, 20, 20],
    });
  });

  test('shows what was lost', async () => {
    const [one, two] = await net.start(2);
    await net.until(() => net.isComplete());
    const probe = createProbe(one!, net.clockOf(0));
    let pings = 0;
    net.isLost = (from) => from === one!.id && ++pings === 2;
    const { rtts_ms } = await net.run(Promise.resolve(probe({ id: two!.id, count: 4 }, callOf)));
    expect(rtts_ms.filter((rtt) => rtt === null)).toHaveLength(1);
    expect(rtts_ms).toHaveLength(4);
  });

  test('is refused of who is unknown, banned, or being probed', async () => {
    const [one, two, three] = await net.start(3);
    await net.until(() => net.isComplete());
    const probe = createProbe(one!, net.clockOf(0));
    const refusal = (id: string) =>
      net.run(Promise.resolve(probe({ id, count: 1 }, callOf)).catch(({ code }: RonError) => code));
    expect(await refusal('9'.repeat(64))).toBe('not_found');
    const running = Promise.resolve(probe({ id: two!.id, count: 2 }, callOf));
    expect(await refusal(two!.id)).toBe('conflict');
    expect((await net.run(running)).rtts_ms).toHaveLength(2);
    one!.bans.ban(three!.id, 'operator', 60_000);
    expect(await refusal(three!.id)).toBe('conflict');
  });
});

describe('membership', () => {
  test('nodes find each other through one seed', async () => {
    await net.start(8);
    expect(await net.until(() => net.isComplete())).toBeLessThan(5_000);
    expect(net.nodes.every(({ hasJoined }) => hasJoined)).toBe(true);
  });

  test('a node without a reachable seed has not joined, says so, and joins when the seed is there', async () => {
    const seed = net.make(0);
    const node = net.make(1);
    await net.run(node.start());
    await net.pass(10_000);
    expect(node.hasJoined).toBe(false);
    expect(net.warnings).toContain('no seed is reached');
    await net.run(seed.start());
    await net.until(() => node.hasJoined, 30_000);
  });

  test('a node whose clock is off is refused, and not banned for it: it joins when the clock is right', async () => {
    const [seed] = await net.start(1);
    const late = net.make(1);
    net.clockOf(1).jumpWall(-1_800_000);
    await net.run(late.start());
    await net.pass(300_000);
    expect([late.hasJoined, seed!.bans.isBanned(late.id)]).toEqual([false, false]);
    net.clockOf(1).jumpWall(1_800_000);
    await net.until(() => late.hasJoined, 30_000);
  });

  test('a crash is known to all, and only it', async () => {
    const nodes = await net.start(8);
    await net.until(() => net.isComplete());
    const [gone, ...left] = nodes.toReversed();
    net.crash(gone!);
    const isKnown = () => left.every(({ membership }) => membership.table.get(gone!.id)?.state === 'dead');
    expect(await net.until(isKnown)).toBeLessThan(10_000);
    expect(net.isComplete(left)).toBe(true);
  });

  test('who leaves is gone at once, and nobody suspects it', async () => {
    const nodes = await net.start(6);
    await net.until(() => net.isComplete());
    const [gone, ...left] = nodes.toReversed();
    await net.run(gone![Symbol.asyncDispose]());
    const isKnown = () => left.every(({ membership }) => membership.table.get(gone!.id)?.state === 'left');
    expect(await net.until(isKnown)).toBeLessThan(2_000);
  });

  test('a node that was silent for a while refutes its death', async () => {
    const nodes = await net.start(8);
    await net.until(() => net.isComplete());
    const slow = nodes.at(-1)!;
    const incarnation = slow.membership.self.record.incarnation;
    net.isLost = (from, to) => from === slow.id || to === slow.id;
    await net.until(() => nodes.every((node) => node === slow || !node.isPresent(slow.id)));
    net.isLost = () => false;
    expect(await net.until(() => net.isComplete())).toBeLessThan(30_000);
    expect(slow.membership.self.record.incarnation).toBeGreaterThan(incarnation);
  });

  test('a link that is down between two nodes kills neither', async () => {
    const nodes = await net.start(6);
    await net.until(() => net.isComplete());
    const [one, other] = [nodes[1]!.id, nodes[2]!.id];
    net.isLost = (from, to) => (from === one && to === other) || (from === other && to === one);
    const deaths: string[] = [];
    for (const node of nodes) node.onMember(({ state, record }) => void (state === 'dead' && deaths.push(record.id)));
    await net.pass(60_000);
    expect(deaths).toEqual([]);
  });

  test('both halves of a network that was cut converge within 30 s', async () => {
    const nodes = await net.start(10);
    await net.until(() => net.isComplete());
    const left = new Set(nodes.slice(0, 5).map(({ id }) => id));
    net.isLost = (from, to) => left.has(from) !== left.has(to);
    await net.pass(60_000);
    expect(net.isComplete(nodes.slice(0, 5)) && net.isComplete(nodes.slice(5))).toBe(true);
    net.isLost = () => false;
    expect(await net.until(() => net.isComplete())).toBeLessThan(30_000);
  });

  test('halves that forgot each other meet again at a seed', async () => {
    const seeds = [contactOf(0), contactOf(3)];
    const nodes = await net.start(6, { config: { dead_keep_ms: 10_000 }, seeds });
    await net.until(() => net.isComplete());
    const left = new Set(nodes.slice(0, 3).map(({ id }) => id));
    net.isLost = (from, to) => left.has(from) !== left.has(to);
    await net.pass(60_000);
    expect(nodes[0]!.membership.table.size).toBe(2);
    net.isLost = () => false;
    expect(await net.until(() => net.isComplete())).toBeLessThan(30_000);
  });

  test('a node whose clock was set back over a restart is taken back', async () => {
    await net.start(4);
    await net.until(() => net.isComplete());
    const before = net.nodes.pop()!;
    net.crash(before);
    const again = net.make(3);
    net.clockOf(3).jumpWall(-30_000);
    await net.run(again.start());
    expect(again.membership.self.record.incarnation).toBeLessThan(before.membership.self.record.incarnation);
    await net.until(() => net.isComplete(), 30_000);
  });

  test('news is passed on a bounded number of times, and then there is silence but for probes', async () => {
    await net.start(8);
    await net.until(() => net.isComplete());
    await net.pass(30_000);
    expect(net.nodes.map(({ membership }) => membership.newsSize)).toEqual(Array(8).fill(0));
    const before = net.messages;
    await net.pass(60_000);
    const each = (net.messages - before) / 60 / 8;
    expect(each).toBeGreaterThan(1.9);
    expect(each).toBeLessThan(2.2);
  });
});

describe('gossip', () => {
  test('a message reaches every node once', async () => {
    const nodes = await net.start(12);
    await net.until(() => net.isComplete());
    const got = new Map<string, number>();
    for (const node of nodes) {
      node.subscribe('news', ({ body, origin }) => {
        expect([new TextDecoder().decode(body), origin]).toEqual(['hello', nodes[3]!.id]);
        got.set(node.id, (got.get(node.id) ?? 0) + 1);
      });
    }
    await net.run(nodes[3]!.publish('news', new TextEncoder().encode('hello')));
    await net.pass(2_000);
    expect([...got.values()]).toEqual(Array(12).fill(1));
  });

  test('only configured topics, and bodies up to 8 KiB', async () => {
    const [node] = await net.start(1);
    await expect(node!.publish('other', new Uint8Array(1))).rejects.toMatchObject({ code: 'bad_request' });
    expect(() => node!.subscribe('other', () => undefined)).toThrow(/does not pass on/);
    await net.run(node!.publish('news', new Uint8Array(8_192)));
    await expect(node!.publish('news', new Uint8Array(8_193))).rejects.toMatchObject({ code: 'payload_too_large' });
  });
});
