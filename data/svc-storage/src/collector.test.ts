import { hash } from '@ron/b3';
import { type Address, addressFromHash, encodeManifest } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { ResidentBody } from '@ron/proto/stream';
import { describe, expect, test } from 'vitest';
import { call, refusal, sample, startStorage, type TestBed } from './test-bed.ts';

async function store(bed: TestBed, bytes: Uint8Array): Promise<Address> {
  return (await bed.handlers.put({}, call({ body: bytes }))).address as Address;
}

function manifestOf(...addresses: Address[]): Uint8Array {
  return encodeManifest(
    addresses.map((address, index) => ({ path: `f${index}`, address, size: 1, mime: 'text/plain' })),
  );
}

/** Past the grace time of everything stored so far. */
async function age(bed: TestBed): Promise<void> {
  await bed.clock.pass(bed.settings.grace_ms + 1);
}

const collect = (bed: TestBed) => bed.handlers.collect({}, call());

function stateOf(bed: TestBed, address: Address): string {
  return bed.blobs.stat(address)?.state ?? 'absent';
}

describe('collect', () => {
  test('keeps what names, bundles, pins, uploads and recent use hold, and trashes the rest', async () => {
    await using bed = await startStorage();
    const named = await store(bed, sample(10, 1));
    const entry = await store(bed, sample(10, 2));
    const innerEntry = await store(bed, sample(10, 3));
    const inner = await store(bed, manifestOf(innerEntry));
    const bundle = await store(bed, manifestOf(entry, inner));
    const pinned = await store(bed, sample(10, 4));
    const pinnedEntry = await store(bed, sample(10, 5));
    const pinnedBundle = await store(bed, manifestOf(pinnedEntry));
    const announced = await store(bed, sample(10, 6));
    const loose = await store(bed, sample(70_000, 7));
    const asked = await store(bed, sample(10, 8));
    const nearly = await store(bed, new TextEncoder().encode(`{"entries":["${loose}"]}`));
    bed.index.names.set('a', named).set('b', bundle).set('c', nearly);
    await bed.handlers.pin({ address: pinned, holder: 'x' }, call());
    await bed.handlers.pin({ address: pinnedBundle, holder: 'x' }, call());
    // Another size than the object of this address has, so the upload stays open.
    await bed.handlers.upload_create({ size: 11, address: announced }, call());
    await age(bed);
    await bed.handlers.has({ addresses: [asked] }, call());
    await bed.clock.pass(1_000);
    const recent = await store(bed, sample(10, 9));

    const dry = await bed.handlers.collect({ dry_run: true }, call());
    expect(dry).toMatchObject({ dry_run: true, trashed: 1, trashed_bytes: 70_000, sample: [loose] });
    expect(stateOf(bed, loose)).toBe('live');

    const run = await collect(bed);
    expect(run).toMatchObject({ dry_run: false, examined: 13, kept: 12, trashed: 1, purged: 0, sample: [loose] });
    expect(stateOf(bed, loose)).toBe('trash');
    const held = [named, entry, inner, innerEntry, bundle, pinned, pinnedEntry, announced, asked, recent];
    for (const address of held) expect(stateOf(bed, address)).toBe('live');
    expect(bed.metrics.read('gc_trashed_total')).toBe(1);
  });

  test('purges after the trash window, on time that does not jump', async () => {
    await using bed = await startStorage();
    const before = bed.blobs.usage().bytes;
    const loose = await store(bed, sample(70_000));
    await age(bed);
    await collect(bed);
    bed.clock.jumpWall(30 * 86_400_000);
    await bed.clock.pass(bed.settings.trash_ms - 1);
    expect(await collect(bed)).toMatchObject({ purged: 0 });
    await bed.clock.pass(1);
    expect(await bed.handlers.collect({ dry_run: true }, call())).toMatchObject({ purged: 1, purged_bytes: 70_000 });
    expect(await collect(bed)).toMatchObject({ purged: 1, purged_bytes: 70_000, sample: [loose] });
    expect(stateOf(bed, loose)).toBe('absent');
    expect(bed.blobs.usage().bytes).toBe(before);
  });

  test('brings back from the trash what is stored, asked for, named or undeleted', async () => {
    await using bed = await startStorage();
    const all = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => store(bed, sample(100, seed))));
    const [stored, asked, named, undeleted, looked, lost] = all as [
      Address,
      Address,
      Address,
      Address,
      Address,
      Address,
    ];
    await age(bed);
    expect(await collect(bed)).toMatchObject({ trashed: 6 });
    expect((await bed.handlers.put({}, call({ body: sample(100, 1) }))).stored).toBe(true);
    expect((await bed.handlers.has({ addresses: [asked] }, call())).present).toEqual([asked]);
    expect(await bed.handlers.undelete({ address: undeleted }, call())).toMatchObject({ state: 'live' });
    expect(await bed.handlers.stat({ address: looked }, call())).toMatchObject({ state: 'trash' });
    bed.index.names.set('n', named);
    expect(await collect(bed)).toMatchObject({ kept: 5, trashed: 0, purged: 0 });
    for (const address of [stored, asked, named, undeleted, looked]) expect(stateOf(bed, address)).toBe('live');
    expect(stateOf(bed, lost)).toBe('trash');
    expect((await bed.handlers.get({ address: lost }, call())).output.size).toBe(100);
    const unknown = addressFromHash(hash(sample(9)));
    expect(await refusal(() => bed.handlers.undelete({ address: unknown }, call()))).toBe('not_found');
  });

  test.each(['index', 'mailbox'] as const)('takes nothing when the %s fails, on any page', async (which) => {
    await using bed = await startStorage();
    const peer = bed[which];
    const hold = (seed: number, address: Address) =>
      which === 'index' ? bed.index.names.set(`n${seed}`, address) : bed.mailbox.messages.set(`b/${seed}`, address);
    for (let seed = 1; seed <= 5; seed += 1) hold(seed, await store(bed, sample(10, seed)));
    await store(bed, sample(10, 6));
    await age(bed);
    peer.pageSize = 2;
    for (const failing of [1, 2, 3]) {
      let page = 0;
      peer.failure = undefined;
      peer.beforePage = () => {
        page += 1;
        if (page === failing) peer.failure = new RonError('unavailable', 'down');
      };
      expect(await refusal(() => collect(bed))).toBe('unavailable');
      expect(bed.blobs.usage().trashObjects).toBe(0);
    }
    peer.beforePage = () => undefined;
    peer.failure = new Error('a bug');
    expect(await refusal(() => collect(bed))).toBe('unavailable');
    peer.failure = undefined;
    expect(bed.metrics.read('gc_runs_total', { outcome: 'failed' })).toBe(4);
    expect(await collect(bed)).toMatchObject({ trashed: 1, kept: 5 });
  });

  test.each(['index', 'mailbox'] as const)('takes nothing when the %s repeats a page', async (which) => {
    await using bed = await startStorage();
    await store(bed, sample(10));
    await age(bed);
    const peer: { roots: unknown } = bed[which].peer;
    peer.roots = async () => ({ roots: [], cursor: 'again' });
    expect(await refusal(() => collect(bed))).toBe('unavailable');
    expect(bed.blobs.usage().trashObjects).toBe(0);
  });

  test('keeps what a message carries, bundles with their entries, until the message is gone', async () => {
    await using bed = await startStorage();
    const entry = await store(bed, sample(10, 1));
    const bundle = await store(bed, manifestOf(entry));
    const carried = await store(bed, sample(10, 2));
    bed.mailbox.messages.set('inbox/01JD0000000000000000000001', bundle);
    bed.mailbox.messages.set('inbox/01JD0000000000000000000002', carried);
    bed.mailbox.messages.set('other/01JD0000000000000000000003', carried);
    bed.mailbox.pageSize = 1;
    await age(bed);
    expect(await collect(bed)).toMatchObject({ kept: 3, trashed: 0 });

    bed.mailbox.messages.delete('inbox/01JD0000000000000000000002');
    expect(await collect(bed)).toMatchObject({ kept: 3, trashed: 0 });
    bed.mailbox.messages.delete('other/01JD0000000000000000000003');
    expect(await collect(bed)).toMatchObject({ kept: 2, trashed: 1, sample: [carried] });
    bed.mailbox.messages.clear();
    expect(await collect(bed)).toMatchObject({ trashed: 2 });
    expect([entry, bundle, carried].map((address) => stateOf(bed, address))).toEqual(['trash', 'trash', 'trash']);
  });

  test('takes nothing while a held object that may be a bundle is damaged', async () => {
    await using bed = await startStorage();
    const entry = await store(bed, sample(10));
    const bytes = manifestOf(entry);
    const bundle = await store(bed, bytes);
    bed.index.names.set('site', bundle);
    await age(bed);
    const view = (bed.blobs.read(bundle, 0, 1) as ResidentBody).bytes;
    view[0]! ^= 1;
    await expect(bed.blobs.verify!(bundle, 0, 1)).rejects.toMatchObject({ code: 'integrity' });
    await expect(collect(bed)).rejects.toMatchObject({ code: 'unavailable', details: { address: bundle } });
    expect(stateOf(bed, entry)).toBe('live');
    expect((await bed.handlers.why({ address: entry }, call())).holders).toEqual([]);
    await bed.handlers.put({}, call({ body: bytes }));
    expect(await collect(bed)).toMatchObject({ kept: 2, trashed: 0 });
  });

  test('others are told what goes to the trash, comes back, and is dropped, and nothing of a dry run', async () => {
    await using bed = await startStorage();
    const address = await store(bed, sample(10));
    await age(bed);
    await bed.handlers.collect({ dry_run: true }, call());
    expect(bed.told.splice(0)).toEqual([`+${address}`]);
    await collect(bed);
    expect(bed.told.splice(0)).toEqual([`-${address}`]);
    await bed.handlers.undelete({ address }, call());
    expect(bed.told.splice(0)).toEqual([`+${address}`]);
    await age(bed);
    await collect(bed);
    bed.index.names.set('a', address);
    await collect(bed);
    expect(bed.told.splice(0)).toEqual([`-${address}`, `+${address}`]);
    bed.index.names.clear();
    await collect(bed);
    await bed.clock.pass(bed.settings.trash_ms + 1);
    await collect(bed);
    expect(stateOf(bed, address)).toBe('absent');
    expect(bed.told).toEqual([`-${address}`, `-${address}`]);
  });

  test('purges damaged objects that nobody holds, after the window, and is not stopped by them', async () => {
    await using bed = await startStorage();
    const loose = await store(bed, sample(10));
    (bed.blobs.read(loose, 0, 1) as ResidentBody).bytes[0]! ^= 1;
    await expect(bed.blobs.verify!(loose, 0, 1)).rejects.toMatchObject({ code: 'integrity' });
    await bed.handlers.stat({ address: loose }, call());
    expect(await collect(bed)).toMatchObject({ examined: 1, kept: 0, purged: 0 });
    await bed.clock.pass(bed.settings.trash_ms - 1);
    expect(await collect(bed)).toMatchObject({ purged: 0 });
    await bed.clock.pass(1);
    expect(await collect(bed)).toMatchObject({ purged: 1 });
    expect(stateOf(bed, loose)).toBe('absent');
  });

  test('runs once at a time, ends with its caller and with the service, and can run again', async () => {
    await using bed = await startStorage({ config: { slice_objects: 1 } });
    for (let seed = 1; seed <= 20; seed += 1) await store(bed, sample(10, seed));
    await age(bed);
    const running = collect(bed);
    expect(await refusal(() => collect(bed))).toBe('conflict');
    expect(await running).toMatchObject({ trashed: 20 });

    const caller = new AbortController();
    bed.index.beforePage = () => caller.abort(new RonError('deadline_exceeded', 'late'));
    const late = () => bed.handlers.collect({}, call({ signal: caller.signal }));
    expect(await refusal(late)).toBe('deadline_exceeded');
    bed.index.beforePage = () => undefined;
    expect(await collect(bed)).toMatchObject({ examined: 20 });
    bed.stop.abort();
    expect(await refusal(() => collect(bed))).toBe('unavailable');
  });

  test('has let go of the engine when the service has ended', async () => {
    const bed = await startStorage({ config: { slice_objects: 1 } });
    for (let seed = 1; seed <= 20; seed += 1) await store(bed, sample(10, seed));
    await age(bed);
    let ended = false;
    const running = refusal(() => collect(bed)).finally(() => {
      ended = true;
    });
    bed.stop.abort();
    await bed[Symbol.asyncDispose]();
    await Promise.resolve();
    expect(ended).toBe(true);
    expect(await running).toBe('unavailable');
    expect(bed.clock.pendingTimers).toBe(0);
  });

  test('holds a bundle that is stored during the run, with entries that it had already taken', async () => {
    await using bed = await startStorage({ config: { slice_objects: 1, grace_ms: 0 } });
    const first = await store(bed, sample(10, 1));
    for (let seed = 2; seed <= 30; seed += 1) await store(bed, sample(10, seed));
    await bed.clock.pass(1);
    const original = bed.blobs.setState.bind(bed.blobs);
    let bundle: Address | undefined;
    bed.blobs.setState = async (address, state, atMs) => {
      await original(address, state, atMs);
      if (bundle === undefined && bed.blobs.usage().trashObjects === 5) bundle = await store(bed, manifestOf(first));
    };
    const run = await collect(bed);
    expect(run.trashed).toBe(29 + 1);
    expect(stateOf(bed, bundle!)).toBe('live');
    expect(stateOf(bed, first)).toBe('live');
    expect(bed.blobs.usage().trashObjects).toBe(29);
  });
});
