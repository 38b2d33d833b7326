import { describe, expect, test } from 'vitest';
import type { Disk } from '../env/disk.ts';
import { createSimEnv, type SimEnv } from './world.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

async function contentOf(disk: Disk, name: string): Promise<string | undefined> {
  if ((await disk.stat(name)) === undefined) return undefined;
  await using file = await disk.open(name, 'read');
  const into = new Uint8Array(await file.size());
  file.readSync(into, 0);
  return new TextDecoder().decode(into);
}

describe('power cuts', () => {
  /** Writes, cuts the power, and looks; with every outcome that was seen over many seeds. */
  async function outcomes(act: (env: SimEnv) => Promise<void>, look: (disk: Disk) => Promise<string | undefined>) {
    const seen = new Set<string | undefined>();
    const faults = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const env = createSimEnv({ seed });
      await act(env);
      const next = env.crash();
      seen.add(await look(next.disk));
      for (const fault of env.machineDisk.faults.fired.keys()) faults.add(fault);
    }
    return { seen, faults };
  }

  test('synced bytes under a synced name always stay', async () => {
    const { seen } = await outcomes(
      async ({ disk }) => {
        await using file = await disk.open('a', 'create');
        await file.write([bytes('safe')], 0);
        await file.sync();
        await disk.syncDirectory('');
      },
      (disk) => contentOf(disk, 'a'),
    );
    expect(seen).toEqual(new Set(['safe']));
  });

  test('a name that was not synced may be lost, with everything in it', async () => {
    const { seen, faults } = await outcomes(
      async ({ disk }) => {
        await using file = await disk.open('a', 'create');
        await file.write([bytes('safe')], 0);
        await file.sync();
      },
      (disk) => contentOf(disk, 'a'),
    );
    expect(seen).toEqual(new Set(['safe', undefined]));
    expect(faults).toContain('lost_entry');
  });

  test('unsynced bytes are kept, lost or torn by sectors', async () => {
    const { seen, faults } = await outcomes(
      async ({ disk }) => {
        await using file = await disk.open('a', 'create');
        await disk.syncDirectory('');
        await file.write([bytes('x'.repeat(512)), bytes('y'.repeat(512))], 0);
      },
      async (disk) => (await contentOf(disk, 'a'))?.replace(/(.)\1*/g, '$1'),
    );
    for (const content of ['', 'x', '\0y', 'xy']) expect(seen).toContain(content);
    expect(faults).toEqual(new Set(['lost_write', 'torn_write']));
  });

  test('a rename is done or not done, never half', async () => {
    const { seen } = await outcomes(
      async ({ disk }) => {
        for (const name of ['old', 'new']) {
          await using file = await disk.open(name, 'create');
          await file.write([bytes(name)], 0);
          await file.sync();
        }
        await disk.syncDirectory('');
        await disk.rename('new', 'old');
      },
      async (disk) => `${await contentOf(disk, 'old')} ${await contentOf(disk, 'new')}`,
    );
    expect(seen).toEqual(new Set(['old new', 'new undefined']));
  });

  test('what a failed sync dropped stays lost after one that succeeds', async () => {
    const { seen, faults } = await outcomes(
      async ({ disk, machineDisk }) => {
        await using file = await disk.open('a', 'create');
        await disk.syncDirectory('');
        await file.write([bytes('data')], 0);
        machineDisk.faults.failNth('sync', 1);
        await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' });
        await file.sync();
      },
      (disk) => contentOf(disk, 'a'),
    );
    expect(seen).toEqual(new Set(['', 'data']));
    expect(faults).toContain('dropped_by_failed_sync');
  });

  test('kill keeps what the system was given; the lock is free; the dead get no answers', async () => {
    const env = createSimEnv({ seed: 1 });
    await env.disk.lock('');
    const file = await env.disk.open('a', 'create');
    await file.write([bytes('given')], 0);
    const next = env.kill();
    expect(await contentOf(next.disk, 'a')).toBe('given');
    await next.disk.lock('');
    let answered = false;
    void file.write([bytes('ghost')], 0).finally(() => {
      answered = true;
    });
    await env.scheduler.runUntilIdle();
    expect(answered).toBe(false);
    expect(await contentOf(next.disk, 'a')).toBe('given');
  });
});

describe('disk faults', () => {
  test('the nth operation fails once, with the code that was asked for', async () => {
    const { disk, machineDisk } = createSimEnv({ seed: 1 });
    await using file = await disk.open('a', 'create');
    machineDisk.faults.failNth('write', 2, 'ENOSPC');
    await file.write([bytes('a')], 0);
    await expect(file.write([bytes('b')], 1)).rejects.toMatchObject({ code: 'ENOSPC' });
    await file.write([bytes('c')], 1);
    expect(machineDisk.faults.fired.get('no_space')).toBe(1);
    expect(machineDisk.faults.count('write')).toBe(3);
  });

  test('a full disk takes what fits, then refuses; removing makes room', async () => {
    const { disk, machineDisk } = createSimEnv({ seed: 1 });
    machineDisk.faults.capacityBytes = 10;
    await using file = await disk.open('a', 'create');
    await expect(file.write([bytes('123456'), bytes('789012')], 0)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await file.size()).toBe(10);
    expect(await disk.freeBytes()).toBe(0);
    await file.write([bytes('x')], 3);
    await expect(file.preallocate(11)).rejects.toMatchObject({ code: 'ENOSPC' });
    await disk.remove('a');
    expect(await disk.freeBytes()).toBe(10);
  });

  test('rates make reads, writes and syncs fail, and bits flip; every kind is counted', async () => {
    const { disk, machineDisk } = createSimEnv({ seed: 7 });
    const { faults } = machineDisk;
    await using file = await disk.open('a', 'create');
    await file.write([new Uint8Array(100)], 0);
    faults.rates = { readError: 0.3, writeError: 0.3, syncError: 0.3, flip: 0.3 };
    let failures = 0;
    const failed = () => failures++;
    for (let i = 0; i < 50; i++) {
      await file.read(new Uint8Array(100), 0).catch(failed);
      await file.write([new Uint8Array(1)], 0).catch(failed);
      await file.sync().catch(failed);
    }
    expect(failures).toBe(faults.fired.get('error'));
    expect(failures).toBeGreaterThan(20);
    expect(faults.fired.get('flipped_bit')).toBeGreaterThan(3);
    faults.calm();
    expect(machineDisk.flipBit('a', 5)).toEqual({ path: 'a', offsetBytes: 5 });
    expect(machineDisk.flipBit('none')).toBeUndefined();
  });

  test('latency passes on virtual time', async () => {
    const { clock, disk, machineDisk, scheduler } = createSimEnv({ seed: 1 });
    machineDisk.faults.latencyMs = [5, 6];
    await scheduler.settle(disk.makeDirectory('d'));
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(5);
  });
});
