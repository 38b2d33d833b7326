import { expect, test } from 'vitest';
import { clientError } from './errors.ts';
import { createLoopKeeper, type ExtendCall } from './lease-keeper.ts';
import { ManualPlatform } from './testing/manual-platform.ts';

function keeping(answer: (leases: readonly string[]) => Awaited<ReturnType<ExtendCall>> = good) {
  const platform = new ManualPlatform();
  const asked: { readonly atMs: number; readonly leases: readonly string[] }[] = [];
  const keeper = createLoopKeeper(async (_box, leases) => {
    asked.push({ atMs: platform.nowMs, leases });
    return answer(leases);
  }, platform);
  const lost: string[] = [];
  const keep = (lease: string, box = 'jobs') => keeper.keep({ box, lease, visibilityMs: 900 }, () => lost.push(lease));
  return { platform, asked, keeper, keep, lost };
}

const good = (leases: readonly string[]) => leases.map((lease) => ({ lease, ok: true }));
const conflict = () => {
  throw clientError('conflict', 'no lease was good', { corrId: '' });
};

test('leases of a box are extended together, each third of their visibility, until they are released', async () => {
  const { platform, asked, keep, lost } = keeping();
  const releases = [keep('a'), keep('b')];
  await platform.advance(650);
  releases[0]!();
  await platform.advance(300);
  releases[1]!();
  await platform.advance(900);
  expect(asked).toEqual([
    { atMs: 300, leases: ['a', 'b'] },
    { atMs: 600, leases: ['a', 'b'] },
    { atMs: 900, leases: ['b'] },
  ]);
  expect([lost, platform.timers]).toEqual([[], 0]);
});

test('more leases than one call takes go in several', async () => {
  const { platform, asked, keep } = keeping();
  for (let count = 0; count < 101; count += 1) keep(`l${count}`);
  await platform.advance(300);
  expect(asked.map(({ leases }) => leases.length)).toEqual([100, 1]);
});

test('a lease that had ended is lost once, the others stay', async () => {
  const { platform, asked, keep, lost } = keeping((leases) => leases.map((lease) => ({ lease, ok: lease !== 'a' })));
  keep('a');
  keep('b');
  await platform.advance(650);
  expect(lost).toEqual(['a']);
  expect(asked.at(-1)!.leases).toEqual(['b']);
});

test('when none was good all are lost; a release comes before', async () => {
  const { platform, keep, lost } = keeping(conflict);
  keep('a');
  keep('b')();
  await platform.advance(1_000);
  expect(lost).toEqual(['a']);
});

test('no answer says nothing about a lease', async () => {
  const { platform, asked, keep, lost } = keeping(() => {
    throw clientError('unavailable', 'no answer', { corrId: '' });
  });
  keep('a');
  await platform.advance(950);
  expect([asked.length, lost]).toEqual([3, []]);
});

test('the end of the keeper ends its timers', async () => {
  const { platform, keeper, keep, asked } = keeping();
  keep('a');
  keep('x', 'other');
  await keeper[Symbol.asyncDispose]();
  await platform.advance(1_000);
  expect([asked, platform.timers]).toEqual([[], 0]);
});
