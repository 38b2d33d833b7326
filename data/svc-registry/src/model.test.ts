import { createSimEnv } from '@ron/kernel/sim';
import { verifyWithNode } from '@ron/policy';
import type { RegistryChange, RegistrySigner, Snapshot } from '@ron/proto/registry';
import { createSnapshotClient, type SnapshotClient } from '@ron/signed';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ann, type Bed, bob, cid, dan, genesisOf, outcomeOf, startRegistry, stranger } from './testing/test-bed.ts';
import { listOf, nextOf, signedBy } from './testing/test-signer.ts';

const people = [ann, bob, cid, dan, stranger];
const openMs = 86_400_000;

interface Proposal {
  readonly id: string;
  readonly base: string;
  readonly openUntil: number;
  readonly next: Snapshot;
  readonly approvedBy: Set<string>;
  committed: boolean;
}

/** The rules of the registry, said once more without signatures, rows or bytes. */
class Model {
  head: Snapshot;
  id: string;
  readonly proposals: Proposal[] = [];

  constructor(first: Snapshot, id: string) {
    this.head = first;
    this.id = id;
  }

  approve(proposal: Proposal, name: string, nowMs: number): string {
    if (proposal.committed || nowMs >= proposal.openUntil) return 'not_found closed';
    if (proposal.base !== this.id) return 'conflict stale';
    const has = (list: readonly { readonly name: string }[]) => list.some((each) => each.name === name);
    if (has(this.head.revoked_signers) || has(proposal.next.revoked_signers)) return 'forbidden revoked_signer';
    if (!has(this.head.signers) && !has(proposal.next.signers)) return 'forbidden unknown_signer';
    proposal.approvedBy.add(name);
    return 'taken';
  }

  commit(proposal: Proposal, nowMs: number): string {
    if (proposal.committed || nowMs >= proposal.openUntil) return 'not_found closed';
    if (proposal.base !== this.id) return 'conflict stale';
    const outcome = this.judge(proposal.next, proposal.approvedBy, nowMs);
    if (outcome !== 'taken') return outcome;
    proposal.committed = true;
    [this.head, this.id] = [proposal.next, proposal.id];
    return outcome;
  }

  judge(next: Snapshot, by: ReadonlySet<string>, nowMs: number): string {
    if (by.size === 0) return 'forbidden unsigned';
    const struck = new Set(next.revoked_signers.map(({ name }) => name));
    const enough = ({ signers, threshold }: Snapshot) =>
      signers.filter(({ name }) => by.has(name) && !struck.has(name)).length >= threshold;
    if (!enough(this.head) || !enough(next)) {
      return [...by].some((name) => struck.has(name)) ? 'forbidden revoked_signer' : 'forbidden under_signed';
    }
    return next.expires_at <= nowMs ? 'forbidden expired' : 'taken';
  }
}

/** The wish, and what the next document is then; undefined where it must be refused. */
function wish(head: Snapshot, kind: string, turn: number): [RegistryChange[], Partial<Snapshot> | undefined] {
  const { signers, threshold, revoked_signers } = head;
  const isRevoked = ({ name }: RegistrySigner) => revoked_signers.some((each) => each.name === name);
  if (kind === 'rotate') {
    const rest = listOf(ann, bob, cid, dan).filter((each) => !isRevoked(each));
    const list = rest.toSpliced(turn % rest.length, 1);
    if (list.length === 0) return [[], {}];
    const rule = { signers: list, threshold: Math.min(list.length, 1 + (turn % 2)) };
    return [[rule], rule];
  }
  if (kind === 'revoke') {
    const gone = signers[turn % signers.length]!;
    const struck = [...revoked_signers, { name: gone.name, key: gone.keys.ed25519 }];
    const left = signers.filter((each) => each !== gone);
    const change = left.length < threshold ? undefined : { signers: left, revoked_signers: struck.sort(byName) };
    return [[{ revoke_signer: gone.name }], change];
  }
  const descriptor = { id: `node/n${turn}`, kind: 'micronode' };
  const others = head.descriptors.filter(({ id }) => id !== descriptor.id);
  return [[{ set: descriptor }], { descriptors: [...others, descriptor].sort((a, b) => (a.id < b.id ? -1 : 1)) }];
}

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);

/** Counted from the end: the last ones are those that something can still come of. */
const newest = fc.constantFrom(0, 0, 0, 0, 1, 2);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('propose' as const),
      kind: fc.constantFrom('set', 'rotate', 'revoke'),
      turn: fc.nat(5),
      lifeMs: fc.constantFrom(500, 3_000_000, 3_000_000),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('approve' as const), pick: newest, who: fc.nat(4) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const), pick: newest }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      kind: fc.constantFrom('next', 'fork', 'older', 'gap', 'expired'),
      by: fc.subarray([0, 1, 2, 3, 4]),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(10, 400, openMs) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Run {
  bed: Bed;
  readonly model: Model;
  client: SnapshotClient;
  taken = 0;

  constructor(bed: Bed) {
    this.bed = bed;
    this.model = new Model(bed.first, bed.idOf(bed.first));
    this.client = this.#reader();
  }

  get nowMs(): number {
    return this.bed.env.clock.wallMs();
  }

  async apply(given: Step): Promise<void> {
    switch (given.do) {
      case 'propose':
        return this.#propose(given);
      case 'approve':
      case 'commit': {
        const proposal = this.model.proposals.at(-1 - given.pick);
        if (proposal === undefined) return;
        if (given.do === 'commit') {
          return this.#same(this.bed.commit(proposal.id), this.model.commit(proposal, this.nowMs));
        }
        const who = people[given.who]!;
        const signatures = who.sign(proposal.next);
        const work = this.bed.run(this.bed.peer.approve({ proposal: proposal.id, signatures }));
        return this.#same(work, this.model.approve(proposal, who.name, this.nowMs));
      }
      case 'publish':
        return this.#publish(given);
      case 'pass':
        return this.bed.pass(given.ms);
      default:
        this.bed = await startRegistry({ engine: 'journal', env: this.bed.env.crash() });
        this.client = this.#reader(this.client.exportState());
    }
  }

  /** The head is the model's, and a reader who asks now gets there, unless it has expired. */
  async check(): Promise<void> {
    const head = await this.bed.head();
    expect([head.version, head.id]).toEqual([this.model.head.version, this.model.id]);
    const texts = [];
    for (let version = this.client.held?.snapshot.version ?? 1; version <= head.version; version += 1) {
      texts.push(await this.bed.snapshotText(version));
    }
    const before = this.client.held?.id;
    const isFresh = this.model.head.expires_at > this.nowMs;
    expect(await outcomeOf(this.#offer(...texts))).toBe(isFresh ? 'taken' : 'forbidden expired');
    expect(this.client.held?.id).toBe(isFresh ? head.id : before);
  }

  async #propose({ kind, turn, lifeMs }: Extract<Step, { do: 'propose' }>): Promise<void> {
    const { head, id: base } = this.model;
    const [changes, change] = wish(head, kind, turn);
    const expires_at = this.nowMs + lifeMs;
    const work = this.bed.propose(changes, { expires_at });
    if (change === undefined) return this.#same(work, 'bad_request malformed');
    const { proposal: id, open_until: openUntil } = await work;
    const next = { ...nextOf(head, this.bed.blake3), issued_at: this.nowMs, expires_at, ...change };
    // What is to be signed is what the model says, to the byte.
    expect(id).toBe(this.bed.idOf(next));
    if (this.model.proposals.some((each) => each.id === id && !each.committed && this.nowMs < each.openUntil)) return;
    this.model.proposals.push({ id, base, openUntil, next, approvedBy: new Set(), committed: false });
  }

  async #publish({ kind, by }: Extract<Step, { do: 'publish' }>): Promise<void> {
    const { head } = this.model;
    const next = nextOf(head, this.bed.blake3, { issued_at: this.nowMs - 1, expires_at: this.nowMs + 5_000_000 });
    if (next.issued_at < head.issued_at) return;
    const signers = by.map((index) => people[index]!);
    const { previous, ...first } = { ...next, version: head.version };
    const sameVersion = head.version === 1 ? first : { ...first, previous };
    const documents: Record<string, [Snapshot, string]> = {
      next: [next, this.model.judge(next, new Set(signers.map(({ name }) => name)), this.nowMs)],
      fork: [{ ...next, previous: `b3:${'0'.repeat(64)}` }, 'conflict fork'],
      older: [sameVersion as Snapshot, 'conflict fork'],
      gap: [{ ...next, version: head.version + 2 }, 'conflict gap'],
      expired: [{ ...next, expires_at: this.nowMs }, ''],
    };
    const [document, expected] = documents[kind]!;
    const plain = JSON.parse(JSON.stringify(document)) as Snapshot;
    const text = signedBy(plain, ...signers);
    const judged =
      kind === 'expired' ? this.model.judge(plain, new Set(signers.map(({ name }) => name)), this.nowMs) : expected;
    const held = this.client.held;
    if (kind !== 'next') await outcomeOf(this.#offer(text));
    expect(this.client.held).toBe(held);
    await this.#same(this.bed.publish(text), signers.length === 0 ? 'forbidden unsigned' : judged);
    if (judged === 'taken') [this.model.head, this.model.id] = [plain, this.bed.idOf(plain)];
  }

  async #same(work: Promise<unknown>, expected: string): Promise<void> {
    expect(await outcomeOf(work)).toBe(expected);
    if (expected === 'taken') this.taken += 1;
  }

  async #offer(...texts: string[]): Promise<unknown> {
    return this.client.accept(texts);
  }

  #reader(state?: string): SnapshotClient {
    const { blake3 } = this.bed;
    const options = {
      verify: verifyWithNode,
      now: () => this.nowMs,
      blake3,
      ...(state === undefined ? {} : { state }),
    };
    return createSnapshotClient({ ...options, trusted: { signers: listOf(ann, bob, cid), threshold: 2 } });
  }
}

test('random proposals, approvals, commits, forks, revocations, expiries and power cuts do what the model does', async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), fc.nat(1_000), async (steps, seed) => {
      const env = createSimEnv({ seed });
      const genesis = () => ({ expires_at: genesisOf(env.clock.wallMs()).issued_at + 2_000_000_000 });
      const run = new Run(await startRegistry({ engine: 'journal', env, genesis }));
      for (const each of steps) {
        await run.apply(each);
        await run.check();
      }
      taken += run.taken;
    }),
    { numRuns: 25 },
  );
  // Walks on which nothing ever succeeds would show nothing; some sixty changes are taken, now many more, now fewer.
  expect(taken).toBeGreaterThan(0);
});
