import { type Address, encodeManifest } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { call, HandClock, MapIndex, MapMailbox, sample, settle, startStorage, type TestBed } from './test-bed.ts';

/** Contents are few, so that operations meet: 0–5 are files, 6–7 bundles of two of them. */
const fileCount = 6;
const bundles = [
  [0, 1],
  [1, 2],
] as const;

const changes = ['put', 'name', 'unname', 'send', 'settle', 'pin', 'unpin'] as const;

type Step =
  | { readonly kind: (typeof changes)[number]; readonly item: number }
  | { readonly kind: 'collect' }
  | { readonly kind: 'pass'; readonly ms: number };

const item = fc.nat({ max: fileCount + bundles.length - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom(...changes), item }),
  fc.record({ kind: fc.constant('collect') }),
  fc.record({ kind: fc.constant('pass'), ms: fc.constantFrom(1, 400, 1_500, 6_000) }),
);

/** Without a grace time only what happens during a run keeps objects. */
const graceMs = fc.constantFrom(0, 1_000);
const history = fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 8 });

/** Clients as they must behave: what is named was stored or asked for within the grace time before. */
class Clients {
  readonly #bed: TestBed;
  readonly bytes: readonly Uint8Array[];
  readonly addresses: readonly Address[];
  readonly pinned = new Set<number>();
  /** Stored or said to be present since the last pass of time: must be here. */
  readonly promised = new Set<number>();
  wrong: string | undefined;

  constructor(bed: TestBed, bytes: readonly Uint8Array[], addresses: readonly Address[]) {
    this.#bed = bed;
    this.bytes = bytes;
    this.addresses = addresses;
  }

  async run({ kind, ...rest }: Step): Promise<void> {
    const which = 'item' in rest ? (rest.item as number) : 0;
    const address = this.addresses[which]!;
    const { handlers, index, mailbox } = this.#bed;
    switch (kind) {
      case 'put':
        return await this.#put(which);
      case 'name':
        await this.#ensureAll(which);
        index.names.set(`n${which}`, address);
        return;
      case 'unname':
        index.names.delete(`n${which}`);
        return;
      case 'send':
        await this.#ensureAll(which);
        mailbox.messages.set(`inbox/${which}`, address);
        return;
      case 'settle':
        mailbox.messages.delete(`inbox/${which}`);
        return;
      case 'pin':
        await this.#ensureAll(which);
        await handlers.pin({ address, holder: 'model' }, call());
        this.pinned.add(which);
        return;
      case 'unpin':
        this.pinned.delete(which);
        await handlers.unpin({ address, holder: 'model' }, call());
        return;
      case 'collect':
        return await this.#collect();
      default:
        throw new Error(`no client does ${kind}`);
    }
  }

  /** What must be live: named, sent or pinned, with the entries of such bundles that were ever stored. */
  reachable(): Set<number> {
    const named = [...this.#bed.index.names.keys()].map((name) => Number(name.slice(1)));
    const sent = [...this.#bed.mailbox.messages.keys()].map((key) => Number(key.slice('inbox/'.length)));
    const roots = [...named, ...sent, ...this.pinned];
    return new Set(roots.flatMap((root) => [root, ...(bundles[root - fileCount] ?? [])]));
  }

  check(when: string): void {
    for (const which of this.promised) this.#mustBe(which, ['live'], `promised, ${when}`);
    for (const which of this.#named()) this.#mustBe(which, ['live'], `reachable, ${when}`);
  }

  #named(): Set<number> {
    const complete = new Set<number>();
    for (const which of this.reachable()) if (this.#ensured.has(which)) complete.add(which);
    return complete;
  }

  readonly #ensured = new Set<number>();

  #mustBe(which: number, states: readonly string[], why: string): void {
    const state = this.#bed.blobs.stat(this.addresses[which]!)?.state ?? 'absent';
    if (!states.includes(state)) this.wrong ??= `item ${which} is ${state}: ${why}`;
  }

  async #put(which: number): Promise<void> {
    await this.#bed.handlers.put({}, call({ body: this.bytes[which]! }));
    this.promised.add(which);
    this.#ensured.add(which);
  }

  /** A publisher makes sure of the files before the bundle, and of the bundle before it is named or pinned. */
  async #ensureAll(which: number): Promise<void> {
    for (const needed of [...(bundles[which - fileCount] ?? []), which]) await this.#ensure(needed);
  }

  async #ensure(which: number): Promise<void> {
    const { present } = await this.#bed.handlers.has({ addresses: [this.addresses[which]!] }, call());
    if (present.length === 0) return await this.#put(which);
    this.promised.add(which);
    this.#ensured.add(which);
  }

  async #collect(): Promise<void> {
    try {
      await this.#bed.handlers.collect({}, call());
    } catch (error) {
      if (!(error instanceof RonError) || error.code !== 'conflict') throw error;
    }
  }
}

async function contents(): Promise<{ bytes: Uint8Array[]; addresses: Address[] }> {
  await using bed = await startStorage();
  const bytes = Array.from({ length: fileCount }, (_, seed) => sample(50 + seed, seed + 1));
  const addresses: Address[] = [];
  const store = async (content: Uint8Array) =>
    addresses.push((await bed.handlers.put({}, call({ body: content }))).address as Address);
  for (const content of bytes) await store(content);
  for (const files of bundles) {
    const entries = files.map((file) => ({
      path: `f${file}`,
      address: addresses[file]!,
      size: 50 + file,
      mime: 'a/b',
    }));
    const manifest = encodeManifest(entries);
    bytes.push(manifest);
    await store(manifest);
  }
  return { bytes, addresses };
}

test('nothing reachable is trashed and nothing promised is lost, however collections and clients interleave', async () => {
  const { bytes, addresses } = await contents();
  let collections = 0;
  let trashed = 0;
  let purged = 0;
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), graceMs, history, async (s, grace_ms, rounds) => {
      // Turns of the event loop, of the peers and of clients come in the order that the scheduler makes up.
      const clock = new HandClock((task) => void s.schedule(Promise.resolve('turn')).then(task));
      const index = new MapIndex();
      const mailbox = new MapMailbox();
      for (const peer of [index, mailbox]) {
        peer.pageSize = 1;
        const asked = peer.peer as { roots: (...args: unknown[]) => Promise<unknown> };
        const { roots } = asked;
        asked.roots = async (...args) => {
          await s.schedule(Promise.resolve('page'));
          return await roots(...args);
        };
      }
      const config = { grace_ms, trash_ms: 5_000, slice_objects: 1 };
      await using bed = await startStorage({ clock, index, mailbox, config });
      slowDown(bed, s);
      const clients = new Clients(bed, bytes, addresses);
      for (const round of rounds) {
        // One round runs at once; time passes only between rounds.
        const passing = round.reduce((ms, each) => ms + (each.kind === 'pass' ? each.ms : 0), 0);
        const running = round
          .filter(({ kind }) => kind !== 'pass')
          .map((each) => s.schedule(Promise.resolve(each.kind)).then(() => clients.run(each)));
        await drain(s, Promise.all(running));
        clients.check('after the round');
        await clock.pass(passing);
        if (passing > 0) clients.promised.clear();
      }
      await drain(s, clients.run({ kind: 'collect' }));
      clients.check('at the end');
      expect(clients.wrong).toBeUndefined();
      collections += bed.metrics.read('gc_runs_total', { outcome: 'done' }) ?? 0;
      trashed += bed.metrics.read('gc_trashed_total') ?? 0;
      purged += bed.metrics.read('gc_purged_total') ?? 0;
    }),
    { numRuns: 300 },
  );
  // The property would hold without a collector too: it must have worked.
  expect(Math.min(collections, trashed, purged)).toBeGreaterThan(0);
});

/** As on a disk: a change shows at once, and its promise resolves when it is durable, some turns later. */
function slowDown({ blobs }: TestBed, s: fc.Scheduler): void {
  const { setState, purge } = blobs;
  blobs.setState = async (...args) => {
    const done = setState.apply(blobs, args);
    await s.schedule(Promise.resolve('state'));
    await done;
  };
  blobs.purge = async (...args) => {
    const done = purge.apply(blobs, args);
    await s.schedule(Promise.resolve('purge'));
    await done;
  };
}

/** Runs scheduled turns, also those that come up on the way, until the work has ended. */
async function drain(s: fc.Scheduler, work: Promise<unknown>): Promise<void> {
  let ended = false;
  const watched = work.finally(() => {
    ended = true;
  });
  watched.catch(() => undefined);
  while (!ended) {
    while (s.count() > 0) await s.waitOne();
    await settle(20);
  }
  await watched;
}
