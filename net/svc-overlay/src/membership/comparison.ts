import type { Contact, NodeId } from '@ron/proto/network';
import { type Digest, overlayLimits, type Update } from '@ron/proto/overlay';
import type { Answer, Asker, Question } from '../asker.ts';
import type { Beliefs } from './beliefs.ts';
import { isPresent, type Member } from './member.ts';
import type { MemberTable } from './member-table.ts';
import type { Self } from './self.ts';

/** Calls of one comparison: 256 members each, and as many again for what the other side wants. */
const callsMax = 64;
/** Members that a page aims at; ids are hashes, so that its part of the id space holds about as many. */
const pageMean = 192;
const idSpace = 2 ** 24;
const lastId = 'f'.repeat(64);

interface Range {
  readonly after: NodeId | undefined;
  readonly until: NodeId | undefined;
}

/** Compares what two nodes believe, in pages: the anti-entropy beside the news. */
export class Comparison {
  readonly #self: Self;
  readonly #table: MemberTable;
  readonly #beliefs: Beliefs;
  readonly #asker: Asker;

  constructor(parts: {
    readonly self: Self;
    readonly table: MemberTable;
    readonly beliefs: Beliefs;
    readonly asker: Asker;
  }) {
    this.#self = parts.self;
    this.#table = parts.table;
    this.#beliefs = parts.beliefs;
    this.#asker = parts.asker;
  }

  /**
   * Compares with `to`: everything, or one page from `start`. Rejects as `Asker` does; what was compared until then is
   * kept.
   */
  async run(to: Contact, timeoutMs: number, start?: NodeId): Promise<void> {
    let after = start;
    let updates: readonly Update[] = [];
    for (let calls = 0; calls < callsMax; calls++) {
      const page = this.#page(after);
      const answer = await this.#asker.ask(to, 'sync', { ...page, updates: [...updates] }, timeoutMs);
      for (const update of answer.updates) this.#beliefs.hear(update, to.id);
      updates = answer.wanted.map((id) => this.#updateOf(id)).filter((update) => update !== undefined);
      after = answer.resume ?? page.until;
      const isDone = after === undefined || (start !== undefined && answer.resume === undefined);
      if (!isDone) continue;
      if (updates.length === 0) return;
      await this.#asker.ask(to, 'sync', { after: lastId, digests: [], updates: [...updates] }, timeoutMs);
      return;
    }
  }

  answer({ after, until, digests, updates }: Question<'sync'>, from: NodeId): Answer<'sync'> {
    for (const update of updates) this.#beliefs.hear(update, from);
    const theirs = new Map(digests.map((digest) => [digest.id, digest]));
    const ours = this.#within({ after, until });
    const ids = [...new Set([...theirs.keys(), ...ours.map((member) => member.id)])].sort();
    const news: Update[] = [];
    const wanted: NodeId[] = [];
    for (const id of ids) {
      // What is outside of the range was not compared on both sides.
      if ((after !== undefined && id <= after) || (until !== undefined && id > until) || id === from) continue;
      const verdict = this.#compare(id, theirs.get(id));
      if (verdict === 'want') wanted.push(id);
      else if (verdict !== undefined) news.push(verdict);
      const isFull = news.length >= overlayLimits.syncUpdatesMax || wanted.length >= overlayLimits.syncUpdatesMax;
      if (isFull) return { updates: news, wanted, resume: id };
    }
    return { updates: news, wanted };
  }

  #compare(id: NodeId, theirs: Digest | undefined): Update | 'want' | undefined {
    const ours = this.#digestOf(id);
    if (ours === undefined) return theirs === undefined || theirs.dead ? undefined : 'want';
    const update = this.#updateOf(id);
    if (theirs === undefined) return ours.dead ? undefined : update;
    if (ours.incarnation !== theirs.incarnation) return ours.incarnation < theirs.incarnation ? 'want' : update;
    if (ours.dead === theirs.dead) return undefined;
    return ours.dead ? update : 'want';
  }

  /** What is said about a member: how it died, or its own word. */
  #updateOf(id: NodeId): Update | undefined {
    if (id === this.#self.id) return { record: this.#self.record };
    const member = this.#table.get(id);
    if (member === undefined) return undefined;
    if (member.certain && member.claim !== undefined) return { claim: member.claim };
    return isPresent(member) || member.state === 'left' ? { record: member.record } : undefined;
  }

  #digestOf(id: NodeId): Digest | undefined {
    if (id === this.#self.id) return { id, incarnation: this.#self.record.incarnation, dead: false };
    const member = this.#table.get(id);
    return member === undefined ? undefined : digestOf(member);
  }

  #page(after: NodeId | undefined): Pick<Question<'sync'>, 'after' | 'until' | 'digests'> {
    const from = after === undefined ? 0 : Number.parseInt(after.slice(0, 6), 16);
    const end = from + Math.ceil((idSpace * pageMean) / (this.#table.size + 1));
    let until = end >= idSpace ? undefined : end.toString(16).padStart(6, '0') + lastId.slice(6);
    let digests = this.#within({ after, until });
    if (digests.length > overlayLimits.digestsMax) {
      digests = digests.slice(0, overlayLimits.digestsMax);
      until = digests.at(-1)!.id;
    }
    return {
      ...(after === undefined ? {} : { after }),
      ...(until === undefined ? {} : { until }),
      digests,
    };
  }

  #within({ after, until }: Range): Digest[] {
    const found: Digest[] = [];
    const isIn = (id: NodeId) => (after === undefined || id > after) && (until === undefined || id <= until);
    if (isIn(this.#self.id)) found.push(this.#digestOf(this.#self.id)!);
    for (const member of this.#table.values()) if (isIn(member.record.id)) found.push(digestOf(member));
    return found.sort((one, other) => (one.id < other.id ? -1 : 1));
  }
}

function digestOf({ record, certain, state }: Member): Digest {
  return { id: record.id, incarnation: record.incarnation, dead: state === 'left' || (certain && state === 'dead') };
}
