import type { Principal, ScopeMethod } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { gatewayContract } from '@ron/proto/gateway';
import { viewLimits } from '@ron/proto/hydration';
import { Value } from 'typebox/value';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  bytesOf,
  callOf,
  everything,
  ManualClock,
  type StartedGateway,
  startGateway,
} from './fixtures/start-gateway.ts';
import { createHydrate } from './handlers/hydrate.ts';

let node: StartedGateway;
let known: string;
const unknown = `b3:${'0'.repeat(64)}`;
const stats = { box: 'inbox', ready: 3 };

beforeEach(async () => {
  node = await startGateway();
  known = node.storage.add(bytesOf(100));
  await node.index.peer.set({ name: 'docs/a', address: known });
  node.mailbox.answer = () => stats;
});

function callBy(principal: Principal & { anonymous?: boolean }) {
  return callOf(undefined, true, principal);
}

function withRights(...prefixes: string[]): Principal {
  const allows = (method: ScopeMethod, resource: string) =>
    method === 'read' && prefixes.some((prefix) => resource.startsWith(prefix));
  return { ...everything, allows };
}

const forbidden = { error: { code: 'forbidden', message: expect.any(String), retryable: false } };
const missing = { error: { code: 'not_found', message: expect.any(String), retryable: false } };

describe('a view of many items', () => {
  it('has one result for each, in the order of the question, and a missing one fails alone', async () => {
    const view = await node.handlers.hydrate(
      { names: ['docs/none', 'docs/a', 'docs/a'], objects: [unknown, known], boxes: ['inbox'] },
      callOf(),
    );
    const found = { ok: expect.objectContaining({ name: 'docs/a', address: known, version: 1 }) };
    expect(view.names).toEqual([missing, found, found]);
    expect(view.objects).toEqual([missing, { ok: expect.objectContaining({ address: known, size: 100 }) }]);
    expect(view.boxes).toEqual([{ ok: stats }]);
    expect(Value.Check(gatewayContract.operations.hydrate.output.properties.objects, view.objects)).toBe(true);
  });

  it('of nothing is nothing', async () => {
    expect(await node.handlers.hydrate({}, callOf())).toEqual({ names: [], objects: [], boxes: [] });
  });

  it('says of a name that is none which item it is, and answers the others', async () => {
    const view = await node.handlers.hydrate({ names: ['No Name', 'docs/a'] }, callOf());
    expect(view.names).toMatchObject([{ error: { code: 'bad_request', retryable: false } }, { ok: { version: 1 } }]);
  });

  it('refuses what the rights do not cover before anybody is asked about it, whether it is there or not', async () => {
    const question = { names: ['docs/a', 'secret'], objects: [known, unknown], boxes: ['inbox', 'none'] };
    const view = await node.handlers.hydrate(question, callBy(withRights('n/docs/')));
    expect(view).toEqual({
      names: [{ ok: expect.anything() }, forbidden],
      objects: [forbidden, forbidden],
      boxes: [forbidden, forbidden],
    });
    expect(node.storage.calls).toEqual([]);
    expect(node.mailbox.calls).toEqual([]);
    expect(new Set([...view.objects, ...view.boxes].map((result) => JSON.stringify(result))).size).toBe(1);
  });

  it('asks the policy for each item under the name of the operation that it stands for', async () => {
    const asked: string[] = [];
    const policy = {
      decide: ({ op, method, resource }: { op: string; method: string; resource: string }) => {
        asked.push(`${op} ${method} ${resource}`);
        if (resource === 'n/docs/a') throw new RonError('forbidden', 'the policy says no');
      },
    };
    const { storage, index, mailbox } = node;
    const clock = new ManualClock();
    const hydrate = createHydrate({
      storage: storage.peer,
      index: index.peer,
      mailbox: mailbox.peer,
      clock,
      policy,
    });
    const view = await hydrate({ names: ['docs/a'], objects: [known], boxes: ['inbox'] }, callOf());
    expect(asked).toEqual([
      `gateway.resolve read n/docs/a`,
      `gateway.get read o/${known}`,
      'gateway.mailbox_stats read box/inbox',
    ]);
    expect([view.names, 'ok' in view.objects[0]!]).toEqual([[forbidden], true]);
    expect(clock.timers.size).toBe(0);
  });

  it('is for who has a capability', async () => {
    const stranger = callBy({ ...everything, anonymous: true });
    await expect(node.handlers.hydrate({ names: ['docs/a'] }, stranger)).rejects.toMatchObject({
      code: 'unauthenticated',
    });
  });

  it.each([
    ['names', viewLimits.namesMax, 'docs/a'],
    ['objects', viewLimits.objectsMax, unknown],
    ['boxes', viewLimits.boxesMax, 'inbox'],
  ] as const)('takes as many %s as it says and not one more', (field, most, item) => {
    const { input } = gatewayContract.operations.hydrate;
    expect([most - 1, most, most + 1].map((count) => Value.Check(input, { [field]: Array(count).fill(item) }))).toEqual(
      [true, true, false],
    );
  });
});

describe('a view whose time runs out', () => {
  it('answers before the call is late, with what is there; the rest says so and is not asked for any more', async () => {
    const { promise: never } = Promise.withResolvers<never>();
    node.mailbox.answer = () => never;
    const call = callOf();
    const boxes = Array.from({ length: viewLimits.boxesMax }, (_, box) => `box-${box}`);
    const asked = node.handlers.hydrate(
      { names: ['docs/a'], boxes },
      { ...call, context: { ...call.context, deadlineMs: 2_000 } },
    );
    await settled();
    const [timer] = node.clock.timers;
    expect(timer!.delayMs).toBe(1_900);
    timer!.task();
    const view = await asked;
    expect(view.names).toMatchObject([{ ok: { version: 1 } }]);
    const late = { error: { code: 'deadline_exceeded', message: expect.any(String), retryable: true } };
    expect(view.boxes).toEqual(boxes.map(() => late));
  });

  it('never has more than 16 questions under way', async () => {
    const waiting: (() => void)[] = [];
    let asked = 0;
    const { peer } = node.storage;
    const slow = {
      ...peer,
      stat: async (...question: Parameters<typeof peer.stat>) => {
        asked += 1;
        await new Promise<void>((resolve) => waiting.push(resolve));
        return peer.stat(...question);
      },
    };
    const ports = {
      storage: slow,
      index: node.index.peer,
      mailbox: node.mailbox.peer,
      clock: node.clock,
      policy: undefined,
    };
    const view = createHydrate(ports)({ objects: Array(40).fill(known) }, callOf());
    await settled();
    expect(asked).toBe(16);
    waiting.shift()!();
    await settled();
    expect(asked).toBe(17);
    for (const timer of node.clock.timers) timer.task();
    const { objects } = await view;
    expect(objects.filter((result) => 'ok' in result)).toHaveLength(1);
    for (const go of waiting.splice(0)) go();
    await settled();
    expect(asked).toBe(17);
  });
});

async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}
