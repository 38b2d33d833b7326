import type { NodeId } from '@ron/proto/network';
import { type Claim, type NodeRecord, overlayLimits, type Update, type Vote } from '@ron/proto/overlay';
import { fromBase64Url, TokenBuckets, toBase64Url } from '@ron/transport';
import type { OverlayPorts } from '../ports.ts';
import { isRecordCurrent, isRecordGenuine } from '../records.ts';
import { voteStatement } from '../statements.ts';
import type { Accusers } from './accusers.ts';
import type { LocalHealth } from './local-health.ts';
import { isPresent, type Member } from './member.ts';
import type { MemberTable } from './member-table.ts';
import type { News } from './news.ts';
import type { Self } from './self.ts';

/** Signed votes of different members with which a death is believed without having looked. */
export const votesNeeded = overlayLimits.votesMax;
/** Members that look for themselves when somebody accuses one, on average, however many there are. */
const confirmersMean = 6;
/** Failed probes of its own after which a node accuses aloud. The first may be bad luck: at 5 % loss 1 in 1,600. */
const failuresBeforeAccusing = 2;
/** A node that rather suspects itself waits so much longer before it believes a death, and tells nobody. */
const doubtFactor = 3;
/** Signatures of others checked in a second: 5 % of a core. */
const verificationsPerSecond = 1_000;
const verificationsBurst = 4_000;

export interface BeliefPorts {
  readonly ports: OverlayPorts;
  readonly self: Self;
  readonly table: MemberTable;
  readonly news: News;
  readonly accusers: Accusers;
  readonly health: LocalHealth;
  readonly isBanned: (id: NodeId) => boolean;
  /** `from` sent what it should have checked. */
  readonly onBadSignature: (from: NodeId) => void;
  readonly onChange: (member: Member) => void;
  /** Somebody came back from the dead. */
  readonly onReturn: (member: Member) => void;
  /** Look at this one yourself. */
  readonly onDoubt: (member: Member) => void;
}

/** What is believed about members, and why: docs/specs/overlay.md has the rules. */
export class Beliefs {
  readonly #own: BeliefPorts;
  readonly #verifications: TokenBuckets;
  /** Who did not answer this node; the one looked at longest ago first. */
  readonly #suspected = new Set<Member>();

  constructor(own: BeliefPorts) {
    this.#own = own;
    const { clock } = own.ports;
    this.#verifications = new TokenBuckets(
      clock,
      () => verificationsPerSecond,
      () => verificationsBurst,
    );
  }

  /** Milliseconds from the begin of a first failed probe to a death. */
  get suspicionMs(): number {
    const { probe_period_ms: periodMs, suspicion_periods: periods } = this.#own.ports.config();
    return Math.max(2, periods * Math.log10(this.#own.table.present + 1)) * periodMs;
  }

  /** Takes news that `from` sent, if it holds. */
  hear(update: Update, from: NodeId): void {
    if ('record' in update) this.hearRecord(update.record, from);
    else this.#hearClaim(update.claim);
  }

  /** Whether the record is what is believed now. */
  hearRecord(record: NodeRecord, from: NodeId): boolean {
    const { self, table, news, ports, isBanned, onBadSignature } = this.#own;
    if (record.id === self.id) {
      this.#hearOfSelf(record);
      return false;
    }
    const member = table.get(record.id);
    if (member !== undefined && record.incarnation <= member.record.incarnation) {
      if (record.incarnation === member.record.incarnation && member.claim === undefined) news.heardAgain(record.id);
      return record.incarnation === member.record.incarnation && isPresent(member);
    }
    if (isBanned(record.id)) return this.#ignore('banned');
    if (!isRecordCurrent(record, ports.clock.wallMs())) return this.#ignore('stale');
    if (member === undefined && record.left === true) return this.#ignore('unknown_member');
    if (!this.#mayVerify()) return false;
    if (!isRecordGenuine(ports, record)) {
      onBadSignature(from);
      return this.#ignore('bad_signature');
    }
    return record.left === true ? this.#takeLeave(member!, record) : this.#takeAlive(member, record);
  }

  /** The member itself was heard over a channel that proves it. */
  heard(member: Member, rttMs?: number): void {
    member.heardMs = this.#own.ports.clock.monotonicMs();
    if (rttMs !== undefined) member.rttMs = member.rttMs === undefined ? rttMs : 0.8 * member.rttMs + 0.2 * rttMs;
    this.answered(member);
  }

  /** Somebody reached it just now: what only this node believed is forgotten. What others voted stands until it refutes. */
  answered(member: Member): void {
    const { table, onChange } = this.#own;
    member.own?.timer?.cancel();
    member.own = undefined;
    if (member.state === 'suspect' || (member.state === 'dead' && !member.certain)) {
      if (member.votes.length === 0) member.claim = undefined;
      table.setState(member, 'alive');
      onChange(member);
    }
  }

  /** A whole probe of our own, begun at `sinceMs`, failed. */
  failed(member: Member, sinceMs: number): void {
    if (!isPresent(member)) return;
    const { table, onChange } = this.#own;
    member.own ??= { sinceMs, failures: 0, timer: undefined };
    const { own } = member;
    own.failures++;
    this.#suspected.add(member);
    if (member.state === 'alive') {
      table.setState(member, 'suspect');
      onChange(member);
    }
    if (own.failures < failuresBeforeAccusing) return;
    if (member.claim === undefined) void this.#accuse(member);
    if (own.timer === undefined) this.#concludeAt(member, own.sinceMs + this.suspicionMs);
  }

  /** Whom to look at again, each in turn. */
  nextSuspected(): Member | undefined {
    for (const member of this.#suspected) {
      this.#suspected.delete(member);
      if (member.own === undefined || !isPresent(member)) continue;
      this.#suspected.add(member);
      return member;
    }
    return undefined;
  }

  /** Somebody who was said to be gone asks: our own opinions of others were made while we were cut off. */
  doubtOwnDeaths(): void {
    for (const member of this.#own.table.values())
      if (member.state === 'dead' && !member.certain) this.answered(member);
  }

  close(): void {
    this.#suspected.clear();
    for (const { own } of this.#own.table.values()) own?.timer?.cancel();
  }

  #hearOfSelf(record: NodeRecord): void {
    const { self, ports } = this.#own;
    if (record.incarnation <= self.record.incarnation || !this.#mayVerify()) return;
    // Of a life before this one, whose clock was ahead.
    if (isRecordGenuine(ports, record)) void this.#quietly(self.renew({}, record.incarnation));
  }

  #takeAlive(known: Member | undefined, record: NodeRecord): boolean {
    const { table, news, ports, onChange, onReturn } = this.#own;
    const member = known ?? table.add(record);
    if (member === undefined) return this.#ignore('full');
    const wasDead = member.state === 'dead';
    this.#acquit(member);
    member.record = record;
    table.setState(member, 'alive');
    news.put(record.id, { record }, wasDead);
    ports.meters.became('alive');
    onChange(member);
    if (wasDead) onReturn(member);
    return true;
  }

  #takeLeave(member: Member, record: NodeRecord): boolean {
    const { table, news, ports, onChange } = this.#own;
    this.#acquit(member);
    member.record = record;
    table.setState(member, 'left');
    news.put(record.id, { record }, true);
    ports.meters.became('left');
    onChange(member);
    return true;
  }

  /** It has spoken for itself: nothing that was said of the incarnation before counts any more. */
  #acquit(member: Member): void {
    for (const { id, atMs } of member.accusers) this.#own.accusers.refuted(id, atMs);
    member.own?.timer?.cancel();
    member.own = undefined;
    member.accusers = [];
    member.votes = [];
    member.claim = undefined;
    member.certain = false;
  }

  #hearClaim(claim: Claim): void {
    const { self, table } = this.#own;
    if (claim.id === self.id) {
      this.#hearAccusation(claim);
      return;
    }
    const member = table.get(claim.id);
    if (member === undefined) return void this.#ignore('unknown_member');
    if (member.record.incarnation !== claim.incarnation || member.state === 'left' || member.certain) return;
    if (claim.state === 'suspect') this.#hearSuspicion(member, claim);
    else this.#hearVotes(member, claim);
  }

  #hearAccusation(claim: Claim): void {
    const { self, health, ports } = this.#own;
    const refuting = self.refute(claim.incarnation);
    if (refuting === undefined) return;
    ports.meters.refuted();
    health.worsen();
    void this.#quietly(refuting);
    if (claim.state === 'dead') this.doubtOwnDeaths();
  }

  #hearSuspicion(member: Member, claim: Claim): void {
    const { table, news, ports, onDoubt, onChange } = this.#own;
    const vote = claim.votes[0]!;
    if (member.claim !== undefined || member.state === 'dead' || !this.#isCredible(vote, claim)) return;
    member.claim = { ...claim, votes: [vote] };
    this.#rememberAccuser(member, vote.by);
    news.put(claim.id, { claim: member.claim }, false);
    if (member.state === 'alive') {
      table.setState(member, 'suspect');
      ports.meters.became('suspect');
      onChange(member);
    }
    if (ports.random.unit() * table.present < confirmersMean) onDoubt(member);
  }

  /** `votesNeeded` different members say so, or nothing happens: one liar, or two, kill nobody. */
  #hearVotes(member: Member, claim: Claim): void {
    const { ports, onDoubt } = this.#own;
    // What was heard itself since its voters began to suspect it is better than votes.
    if (member.heardMs !== undefined && ports.clock.monotonicMs() - member.heardMs < this.suspicionMs) return;
    let taken = false;
    for (const vote of claim.votes) {
      if (member.votes.length >= votesNeeded || !this.#isCredible(vote, claim)) continue;
      if (member.votes.some(({ by }) => by === vote.by)) continue;
      member.votes = [...member.votes, vote];
      this.#rememberAccuser(member, vote.by);
      taken = true;
    }
    if (!taken) return;
    this.#takeVotes(member);
    if (isPresent(member)) onDoubt(member);
  }

  #takeVotes(member: Member): void {
    const { table, news, ports, onChange } = this.#own;
    const { id, incarnation } = member.record;
    member.claim = { id, incarnation, state: 'dead', votes: [...member.votes] };
    news.put(id, { claim: member.claim }, true);
    if (member.votes.length >= votesNeeded) {
      member.certain = true;
      this.#die(member);
      return;
    }
    if (member.state !== 'alive') return;
    table.setState(member, 'suspect');
    ports.meters.became('suspect');
    onChange(member);
  }

  #die(member: Member): void {
    const { table, ports, onChange } = this.#own;
    member.own?.timer?.cancel();
    member.own = undefined;
    if (member.state === 'dead') return;
    table.setState(member, 'dead');
    ports.meters.became('dead');
    onChange(member);
  }

  async #accuse(member: Member): Promise<void> {
    const { id, incarnation } = member.record;
    const vote = await this.#vote(member, 'suspect');
    // It may have answered while the vote was signed.
    if (vote === undefined || member.own === undefined || member.claim !== undefined) return;
    if (member.record.incarnation !== incarnation) return;
    member.claim = { id, incarnation, state: 'suspect', votes: [vote] };
    this.#own.ports.meters.became('suspect');
    this.#own.news.put(id, { claim: member.claim }, false);
  }

  #concludeAt(member: Member, atMs: number, hasDoubted = false): void {
    const { ports, health } = this.#own;
    const own = member.own!;
    const { clock } = ports;
    own.timer = clock.after(Math.max(0, Math.ceil(atMs - clock.monotonicMs())), () => {
      if (member.own !== own || !isPresent(member)) return;
      if (health.mayTestify(member.record.id)) void this.#condemn(member);
      else if (hasDoubted) this.#die(member);
      else this.#concludeAt(member, own.sinceMs + doubtFactor * this.suspicionMs, true);
    });
  }

  async #condemn(member: Member): Promise<void> {
    const { own } = member;
    const vote = await this.#vote(member, 'dead');
    if (member.own !== own || own === undefined) return;
    if (vote !== undefined && member.votes.length < votesNeeded) {
      member.votes = [...member.votes.filter(({ by }) => by !== vote.by), vote];
      this.#takeVotes(member);
    }
    // Seen with our own eyes: no matter how many others have.
    this.#die(member);
  }

  async #vote(member: Member, state: Claim['state']): Promise<Vote | undefined> {
    const { signer, log } = this.#own.ports;
    const { id, incarnation } = member.record;
    try {
      const signature = await signer.sign(voteStatement({ id, incarnation, state }, signer.id));
      return { by: signer.id, signature: toBase64Url(signature) };
    } catch (error) {
      log.warn({ error }, 'a vote could not be signed');
      return undefined;
    }
  }

  #isCredible(vote: Vote, claim: Claim): boolean {
    const { table, ports, accusers, isBanned, self } = this.#own;
    if (vote.by === claim.id || vote.by === self.id) return false;
    const voter = table.get(vote.by);
    if (voter === undefined || !isPresent(voter) || isBanned(vote.by)) return this.#ignore('unknown_member');
    if (!accusers.isBelieved(vote.by)) return this.#ignore('accuser');
    if (!this.#mayVerify()) return false;
    const key = fromBase64Url(voter.record.public_key);
    if (ports.verify(key, voteStatement(claim, vote.by), fromBase64Url(vote.signature))) return true;
    return this.#ignore('bad_signature');
  }

  #rememberAccuser(member: Member, id: NodeId): void {
    if (member.accusers.length > votesNeeded || member.accusers.some((known) => known.id === id)) return;
    member.accusers = [...member.accusers, { id, atMs: this.#own.ports.clock.monotonicMs() }];
  }

  #mayVerify(): boolean {
    return this.#verifications.take('') === 0 || this.#ignore('verification_budget');
  }

  #ignore(reason: Parameters<OverlayPorts['meters']['ignored']>[0]): false {
    this.#own.ports.meters.ignored(reason);
    return false;
  }

  async #quietly(signing: Promise<NodeRecord>): Promise<void> {
    try {
      await signing;
    } catch (error) {
      this.#own.ports.log.warn({ error }, 'the record of this node could not be signed');
    }
  }
}
