import { sleep } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import type { Contact } from '@ron/proto/network';
import { toHex } from '@ron/transport';
import { expect, test } from 'vitest';
import { compareDistance, randomWithin } from './distance.ts';
import { Lookup, type LookupPlan, type LookupRules } from './lookup.ts';

type Answer = { readonly contacts: readonly Contact[] };

const rules: LookupRules = {
  parallel: 3,
  width: 20,
  hedgeMs: 250,
  rpcTimeoutMs: 1_500,
  deadlineMs: 10_000,
  asksMax: 100,
  groupAsksMax: 4,
};

/** Nodes that know everybody, and what each does with a request. */
function world(count: number, seed = 1) {
  const env = createSimEnv({ seed });
  const draw = () => toHex(env.random.bytes(32));
  const nodes = Array.from({ length: count }, (_, index) => ({
    id: draw(),
    address: `10.${index >> 8}.${index & 255}.1:1`,
  }));
  const nearest = (target: string, some: readonly Contact[] = nodes) =>
    some.toSorted((a, b) => compareDistance(target, a.id, b.id)).slice(0, 20);
  const asked: string[] = [];
  const plan = (more: Partial<LookupPlan<Answer>> & Pick<LookupPlan<Answer>, 'paths'>): LookupPlan<Answer> => ({
    self: draw(),
    start: () => nodes.slice(0, 3),
    expectedMs: () => 0,
    isBanned: () => false,
    regionBits: 256,
    async query(contact, toward) {
      asked.push(contact.id);
      await sleep(env.clock, 20);
      return { contacts: nearest(toward) };
    },
    ...more,
  });
  const run = (more: Parameters<typeof plan>[0], own: Partial<LookupRules> = {}) =>
    env.scheduler.settle(new Lookup<Answer>(env.clock, { ...rules, ...own }, plan(more)).run());
  return { env, nodes, nearest, asked, run, draw };
}

const silent = async (): Promise<never> => {
  throw new RonError('deadline_exceeded', 'silence');
};

test('ends at the nearest, having asked each once', async () => {
  const { nearest, asked, run, draw } = world(200);
  const target = draw();
  const outcome = await run({ paths: [target] });
  expect(outcome.complete).toBe(true);
  expect(outcome.nearest[0]!.slice(0, 20)).toEqual(nearest(target));
  expect(new Set(asked).size).toBe(asked.length);
});

test('paths share no node', async () => {
  const { asked, run, draw } = world(400);
  await run({ paths: [draw(), draw()] });
  expect(new Set(asked).size).toBe(asked.length);
});

test('who is slow is hedged after 250 ms, and the first answer wins', async () => {
  const { env, nodes, run, draw } = world(50);
  const slow = new Set(nodes.slice(0, 3).map(({ id }) => id));
  const query = async (contact: Contact) => {
    await sleep(env.clock, slow.has(contact.id) ? 1_400 : 20);
    return { contacts: nodes.slice(3) };
  };
  let foundMs = 0;
  await run({
    paths: [draw()],
    start: () => nodes.slice(0, 4),
    query,
    found: (_answer, { contact }) => {
      foundMs = env.scheduler.nowMs;
      return !slow.has(contact.id);
    },
  });
  expect(foundMs).toBe(270);
});

test('a quick node on the way goes before a slow one inside the region, a slow one on the way does not', async () => {
  const target = 'f'.repeat(64);
  const at = (id: string, region: string): Contact => ({
    id: id.padEnd(64, '0'),
    address: `10.${id.length}.0.1:1`,
    region,
  });
  const [inside, near, far] = [at('ff', 'slow'), at('f', 'quick'), at('e', 'slow')];
  const times: Record<string, number> = { slow: 300, quick: 20 };
  const first = async (known: readonly Contact[]) => {
    const { asked, run } = world(1);
    const expectedMs = ({ region }: Contact) => times[region!]!;
    await run({ paths: [target], regionBits: 8, start: () => known, expectedMs }, { parallel: 1 });
    return asked[0];
  };
  expect(await first([inside, near])).toBe(near.id);
  expect(await first([inside, far])).toBe(inside.id);
});

test('names of nodes that are not there cost three waits, not twenty', async () => {
  const { nodes, run, draw } = world(60);
  const target = draw();
  const liar = nodes[0]!;
  const real = new Set(nodes.map(({ id }) => id));
  const random = world(1, 9).env.random;
  const ghosts = Array.from({ length: 20 }, (_, index) => ({
    id: randomWithin(target, 30, random),
    address: `172.16.${index}.1:1`,
  }));
  let ghostsAsked = 0;
  const outcome = await run({
    paths: [target],
    query: async (contact) => {
      if (!real.has(contact.id)) ghostsAsked++;
      if (!real.has(contact.id)) return silent();
      return { contacts: contact === liar ? ghosts : nodes.slice(0, 20) };
    },
  });
  expect(outcome.nearest[0]!.length).toBe(20);
  // As many as were under way when the third one failed.
  expect(ghostsAsked).toBeLessThanOrEqual(6);
  expect(outcome.heard.some(({ id }) => !real.has(id))).toBe(false);
});

test('when nobody answers it ends, at the deadline at last', async () => {
  const { env, nodes, run, draw } = world(30);
  expect(await run({ paths: [draw()], query: silent })).toMatchObject({ asked: 3, failed: 3, nearest: [[]] });
  const never = () => new Promise<never>(() => undefined);
  const before = env.scheduler.nowMs;
  const outcome = await run({ paths: [draw()], query: never, start: () => nodes });
  expect(outcome).toMatchObject({ complete: false, asked: 9 });
  expect(env.scheduler.nowMs - before).toBe(10_000);
});

test('asks no more than it may, and of one network four', async () => {
  const { asked, nodes, run, draw } = world(200);
  await run({ paths: [draw()] }, { asksMax: 7 });
  expect(asked.length).toBe(7);
  asked.length = 0;
  const crowd = nodes.map(({ id }, index) => ({ id, address: `192.0.2.${index % 250}:${index}` }));
  await run({ paths: [draw()], start: () => crowd.slice(0, 20) }, { width: 50 });
  const inCrowd = asked.filter((id) => crowd.slice(0, 20).some((contact) => contact.id === id));
  expect(inCrowd.length).toBeLessThanOrEqual(20);
});

test('what judging throws ends it', async () => {
  const { run, draw } = world(10);
  const found = () => {
    throw new Error('a defect');
  };
  await expect(run({ paths: [draw()], found })).rejects.toThrow('a defect');
});
