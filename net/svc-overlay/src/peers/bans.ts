import type { Clock } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';
import type { Ban, Offence } from '@ron/proto/overlay';

/** Nodes with a score or a ban; the one that offended longest ago is forgotten first, who is banned last. */
export const offendersMax = 4_096;

/** Half the threshold of 100: two of these; a flood is one for each call that is refused. */
export const offenceScores: Readonly<Record<Offence, number>> = {
  bad_signature: 50,
  malformed: 25,
  flood: 4,
  wrong_bytes: 100,
  stale_hello: 10,
  operator: 0,
};

const scoreMax = 1_000;

interface Offender {
  score: number;
  /** Monotonic, of the score. */
  atMs: number;
  ban: Ban | undefined;
}

export interface BanLimits {
  readonly ban_threshold: number;
  readonly ban_half_life_ms: number;
  readonly ban_ms: number;
}

/** Scores of what nodes did wrong, which decay, and the bans that follow from them. Bans end by the wall clock: they survive a restart. */
export class Bans {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'wallMs'>;
  readonly #limits: () => BanLimits;
  readonly #onBan: (ban: Ban) => void;
  readonly #offenders = new Map<NodeId, Offender>();

  constructor(clock: Pick<Clock, 'monotonicMs' | 'wallMs'>, limits: () => BanLimits, onBan: (ban: Ban) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onBan = onBan;
  }

  get size(): number {
    return this.#offenders.size;
  }

  /** Adds the offence’s score; bans when the threshold is reached. */
  offend(id: NodeId, offence: Offence): void {
    const { ban_threshold: threshold, ban_half_life_ms: halfLifeMs, ban_ms: banMs } = this.#limits();
    const nowMs = this.#clock.monotonicMs();
    const offender = this.#offenders.get(id) ?? { score: 0, atMs: nowMs, ban: undefined };
    const decayed = offender.score * 2 ** (-(nowMs - offender.atMs) / halfLifeMs);
    offender.score = Math.min(scoreMax, decayed + offenceScores[offence]);
    offender.atMs = nowMs;
    this.#keep(id, offender);
    if (offender.score >= threshold && !this.isBanned(id)) this.ban(id, offence, banMs);
  }

  ban(id: NodeId, reason: Offence, durationMs: number): Ban {
    const offender = this.#offenders.get(id) ?? { score: 0, atMs: this.#clock.monotonicMs(), ban: undefined };
    const ban = { id, reason, until: this.#clock.wallMs() + durationMs };
    offender.ban = ban;
    this.#keep(id, offender);
    this.#onBan(ban);
    return ban;
  }

  /** False when it was not banned. What it did is forgotten either way. */
  unban(id: NodeId): boolean {
    const wasBanned = this.isBanned(id);
    this.#offenders.delete(id);
    return wasBanned;
  }

  isBanned(id: NodeId): boolean {
    const ban = this.#offenders.get(id)?.ban;
    return ban !== undefined && ban.until > this.#clock.wallMs();
  }

  /** Those in force. */
  list(): Ban[] {
    const found: Ban[] = [];
    for (const { ban } of this.#offenders.values()) if (ban !== undefined && this.isBanned(ban.id)) found.push(ban);
    return found;
  }

  /** Of an earlier process. */
  restore(bans: readonly Ban[]): void {
    for (const ban of bans) this.#keep(ban.id, { score: 0, atMs: this.#clock.monotonicMs(), ban });
  }

  #keep(id: NodeId, offender: Offender): void {
    this.#offenders.delete(id);
    this.#offenders.set(id, offender);
    if (this.#offenders.size <= offendersMax) return;
    for (const other of this.#offenders.keys()) {
      if (other === id || this.isBanned(other)) continue;
      this.#offenders.delete(other);
      return;
    }
    for (const oldest of this.#offenders.keys()) {
      this.#offenders.delete(oldest);
      return;
    }
  }
}
