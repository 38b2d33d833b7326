import type { Clock, Random } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';
import type { MemberState, NodeRecord } from '@ron/proto/overlay';
import { createMember, isPresent, type Member } from './member.ts';

/** Draws until one fits: with fewer than half of the ring gone, 32 miss a present member once in 2^32. */
const drawsMax = 32;
const ringSlack = 64;

/**
 * The members that are known, `membersMax` at most, the gone included; those make place for the new, the longest gone first.
 * The present stand in a ring in random order, which is shuffled after each round (Das, Gupta, Motivala 2002, 4.3).
 */
export class MemberTable {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #random: Pick<Random, 'unit'>;
  readonly #membersMax: () => number;
  readonly #members = new Map<NodeId, Member>();
  /** Dead or left, longest first. */
  readonly #gone = new Set<Member>();
  #ring: Member[] = [];
  #next = 0;
  readonly counts: Record<MemberState, number> = { alive: 0, suspect: 0, dead: 0, left: 0 };

  constructor(
    ports: { readonly clock: Pick<Clock, 'monotonicMs'>; readonly random: Pick<Random, 'unit'> },
    membersMax: () => number,
  ) {
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#membersMax = membersMax;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Alive or suspect. */
  get present(): number {
    return this.counts.alive + this.counts.suspect;
  }

  /** Places of the ring that this round has not come to. */
  get ringLeft(): number {
    return this.#ring.length - this.#next;
  }

  get(id: NodeId): Member | undefined {
    return this.#members.get(id);
  }

  values(): IterableIterator<Member> {
    return this.#members.values();
  }

  /** Undefined when the table is full of present members. */
  add(record: NodeRecord): Member | undefined {
    if (this.#members.size >= this.#membersMax() && !this.#forgetOneGone()) return undefined;
    const member = createMember(record, this.#clock.monotonicMs());
    this.#members.set(record.id, member);
    this.counts.alive++;
    this.#enterRing(member);
    return member;
  }

  setState(member: Member, state: MemberState): void {
    if (member.state === state) return;
    this.counts[member.state]--;
    this.counts[state]++;
    member.state = state;
    member.sinceMs = this.#clock.monotonicMs();
    this.#gone.delete(member);
    if (isPresent(member)) this.#enterRing(member);
    else this.#gone.add(member);
  }

  /** Forgets who has been gone for longer than `keepMs`. */
  forgetGone(keepMs: number): void {
    const beforeMs = this.#clock.monotonicMs() - keepMs;
    for (const member of this.#gone) {
      if (member.sinceMs > beforeMs) return;
      this.#forget(member);
    }
  }

  /** Each present member once a round, in random order. */
  nextInRing(fits: (member: Member) => boolean): Member | undefined {
    for (let round = 0; round < 2; round++) {
      while (this.#next < this.#ring.length) {
        const member = this.#ring[this.#next++]!;
        if (isPresent(member) && fits(member)) return member;
      }
      this.#startRound();
    }
    return undefined;
  }

  /** Up to `count` different present members that fit. */
  sample(count: number, fits: (member: Member) => boolean): Member[] {
    const found: Member[] = [];
    const ring = this.#ring;
    if (ring.length <= 2 * count) {
      shuffle(ring.slice(), this.#random).some((member) => {
        if (isPresent(member) && fits(member)) found.push(member);
        return found.length >= count;
      });
      return found;
    }
    for (let draws = drawsMax + 4 * count; draws > 0 && found.length < count; draws--) {
      const member = ring[Math.floor(this.#random.unit() * ring.length)]!;
      if (isPresent(member) && fits(member) && !found.includes(member)) found.push(member);
    }
    return found;
  }

  /** A dead member by chance. Those who left on purpose are not tried again. */
  oneDead(): Member | undefined {
    if (this.counts.dead === 0) return undefined;
    let skip = Math.floor(this.#random.unit() * this.counts.dead);
    for (const member of this.#gone) if (member.state === 'dead' && skip-- === 0) return member;
    return undefined;
  }

  #enterRing(member: Member): void {
    if (member.inRing) return;
    member.inRing = true;
    if (this.#ring.length > 2 * this.#members.size + ringSlack) this.#dropGone();
    const ring = this.#ring;
    const at = this.#next + Math.floor(this.#random.unit() * (ring.length + 1 - this.#next));
    ring.push(member);
    ring[ring.length - 1] = ring[at]!;
    ring[at] = member;
  }

  /** Those who come and go faster than a round ends do not make the ring grow. */
  #dropGone(): void {
    const asked = this.#ring.slice(0, this.#next).filter(staysInRing);
    this.#next = asked.length;
    this.#ring = [...asked, ...this.#ring.filter(staysInRing).slice(asked.length)];
  }

  #startRound(): void {
    this.#ring = this.#ring.filter(staysInRing);
    shuffle(this.#ring, this.#random);
    this.#next = 0;
  }

  #forgetOneGone(): boolean {
    for (const member of this.#gone) {
      this.#forget(member);
      return true;
    }
    return false;
  }

  #forget(member: Member): void {
    this.#gone.delete(member);
    this.#members.delete(member.record.id);
    this.counts[member.state]--;
  }
}

function staysInRing(member: Member): boolean {
  member.inRing = isPresent(member);
  return member.inRing;
}

function shuffle<T>(items: T[], random: Pick<Random, 'unit'>): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const at = Math.floor(random.unit() * (last + 1));
    const kept = items[last]!;
    items[last] = items[at]!;
    items[at] = kept;
  }
  return items;
}
