import type { Env } from '@ron/kernel';
import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { expect, test } from 'vitest';
import { type Journal, JournalError, openJournal } from './index.ts';

const small = { segmentBytes: 4_096, preallocateBytes: 2_048, reserveBytes: 256, batchBytesMax: 2_048 };

interface Opened {
  readonly journal: Journal;
  readonly seen: readonly string[];
}

async function open(env: Pick<Env, 'disk' | 'random'>): Promise<Opened> {
  const seen: string[] = [];
  const visit = ({ payload }: { payload: Uint8Array }) => void seen.push(Buffer.from(payload).toString());
  return { journal: await openJournal({ env, folder: 'log', ...small, visit }), seen };
}

/** Appends until the sync of a write fails, or the process is killed in the middle of one. */
async function interrupted(env: SimEnv, seed: number, how: 'kill' | 'failed sync'): Promise<SimEnv> {
  const { journal } = await open(env);
  for (let index = 0; index < seed % 60; index += 1) await journal.append(1, [Buffer.from(`${seed} ${index}`)]);
  if (how === 'failed sync') env.machineDisk.faults.rates = { readError: 0, writeError: 0, syncError: 1, flip: 0 };
  const last = journal.append(1, [Buffer.from(`${seed} last ${'x'.repeat(seed % 700)}`)]);
  const outcome = last.then(
    () => 'done',
    (error) => error,
  );
  if (how === 'failed sync') {
    expect(await outcome).toBeInstanceOf(JournalError);
    env.machineDisk.faults.rates = { readError: 0, writeError: 0, syncError: 0, flip: 0 };
  } else for (let turn = 0; turn < seed % 12; turn += 1) await Promise.resolve();
  return env.kill();
}

test.each(['kill', 'failed sync'] as const)(
  'what an opening after a %s has shown stays, whatever happens next',
  async (how) => {
    for (let seed = 1; seed <= 150; seed += 1) {
      const next = await interrupted(createSimEnv({ seed }), seed, how);
      const { seen } = await open(next);
      // The next process has relied on what it saw; then the power fails.
      const after = await open(next.crash());
      expect(after.seen, `seed ${seed}`).toEqual(seen);
    }
  },
);
