import type { Timer } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';
import type { OverlayPorts } from '../ports.ts';
import type { Beliefs } from './beliefs.ts';
import type { LocalHealth } from './local-health.ts';
import { isPresent, type Member } from './member.ts';
import type { MemberTable } from './member-table.ts';

/** Who did not answer once is tried through so many times the members: at 5 % loss, both fail once in 4 · 10^8 probes of the living. */
const againFactor = 2;
/** Probes in a period beside the regular one, of who was accused or did not answer just now. */
const hastyMax = 2;
/** Members that wait for a look because others accused them. */
const doubtsMax = 64;
/** Of so many probes one goes to the next in the ring, whatever else there is to look at. */
const ringShare = 2;
/** Each dead member is tried so often in a period by all nodes together, as long as a node does not spend more than half a probe. */
const dead = { triesMean: 2, shareMax: 0.5 } as const;

/**
 * Why a member is probed: its turn; what somebody said, when those who are asked to help need not look on their own; or that
 * it did not answer just now.
 */
type Why = 'ring' | 'confirm' | 'again';

export interface ProberParts {
  readonly ports: Pick<OverlayPorts, 'clock' | 'random' | 'config' | 'meters'>;
  readonly table: MemberTable;
  readonly beliefs: Beliefs;
  readonly health: LocalHealth;
  /** True: it answered. */
  readonly ping: (member: Member, timeoutMs: number) => Promise<boolean>;
  /** Whether the target answered the proxy; undefined when the proxy itself did not answer. */
  readonly pingThrough: (
    proxy: Member,
    target: NodeId,
    isConfirming: boolean,
    timeoutMs: number,
  ) => Promise<boolean | undefined>;
}

/** Probes one member a period: itself, then through others (Das, Gupta, Motivala 2002). */
export class Prober {
  readonly #parts: ProberParts;
  readonly #doubts = new Map<NodeId, { readonly member: Member; readonly why: Why }>();
  #timer: Timer | undefined;
  #turn = 0;
  #hasty = 0;

  constructor(parts: ProberParts) {
    this.#parts = parts;
  }

  start(): void {
    const { ports } = this.#parts;
    // Nodes that start together do not probe together.
    this.#wait(ports.random.unit() * ports.config().probe_period_ms);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Looks at it now or soon. */
  doubt(member: Member, why: 'confirm' | 'again' = 'confirm'): void {
    if (this.#timer !== undefined && this.#hasty < hastyMax) {
      this.#hasty++;
      this.#probe(member, why);
    } else if (this.#doubts.size < doubtsMax && !this.#doubts.has(member.record.id)) {
      this.#doubts.set(member.record.id, { member, why });
    }
  }

  #wait(delayMs: number): void {
    const { clock, config } = this.#parts.ports;
    this.#timer = clock.after(delayMs, () => {
      this.#wait(config().probe_period_ms);
      this.#period();
    });
  }

  #period(): void {
    const { ports, table } = this.#parts;
    this.#hasty = 0;
    table.forgetGone(ports.config().dead_keep_ms);
    const { member, why } = this.#next();
    if (member !== undefined) this.#probe(member, why);
    const share = Math.min(dead.shareMax, (dead.triesMean * table.counts.dead) / (table.present + 1));
    if (share > 0 && ports.random.unit() < share) {
      const gone = table.oneDead();
      if (gone !== undefined) void this.#parts.ping(gone, ports.config().direct_timeout_ms);
    }
  }

  /** Who is suspected here first, then who was accused, but the ring is never left out. */
  #next(): { readonly member: Member | undefined; readonly why: Why } {
    const { table, beliefs } = this.#parts;
    this.#turn = (this.#turn + 1) % ringShare;
    if (this.#turn !== 0) {
      const own = beliefs.nextSuspected();
      if (own !== undefined) return { member: own, why: 'confirm' };
      for (const [id, doubt] of this.#doubts) {
        this.#doubts.delete(id);
        if (isPresent(doubt.member) && table.get(id) === doubt.member) return doubt;
      }
    }
    return { member: table.nextInRing(() => true), why: 'ring' };
  }

  #probe(member: Member, why: Why): void {
    const { ports, health, ping } = this.#parts;
    const { direct_timeout_ms: directMs, indirect_timeout_ms: indirectMs } = ports.config();
    const startMs = ports.clock.monotonicMs();
    let waiting = 1;
    let isAsked = false;
    let isOver = false;
    const end = (outcome: 'direct' | 'indirect' | 'failed') => {
      isOver = true;
      timer.cancel();
      this.#concluded(member, outcome, startMs, why);
    };
    const one = (outcome: 'direct' | 'indirect', ok: boolean) => {
      waiting--;
      if (isOver) return;
      if (ok) end(outcome);
      else if (!isAsked) askOthers();
      else if (waiting === 0) end('failed');
    };
    const askOthers = () => {
      if (isAsked || isOver) return;
      isAsked = true;
      const through = this.#through(member, why, indirectMs, (ok) => one('indirect', ok));
      waiting += through;
      if (waiting === 0) end('failed');
    };
    const timer = ports.clock.after(directMs * health.stretch, askOthers);
    // A late answer still counts, as long as the probe lasts.
    void ping(member, directMs * health.stretch + indirectMs).then((ok) => one('direct', ok));
  }

  /** Asks others to try; gives how many. */
  #through(target: Member, why: Why, timeoutMs: number, report: (ok: boolean) => void): number {
    const { ports, table, health, pingThrough } = this.#parts;
    const { indirect_probes: count } = ports.config();
    const proxies = table.sample(
      target.own === undefined ? count : againFactor * count,
      (member) => member !== target && member.state === 'alive',
    );
    let [answers, answered] = [0, 0];
    for (const proxy of proxies) {
      void pingThrough(proxy, target.record.id, why === 'confirm', timeoutMs).then((acked) => {
        if (acked !== undefined) answered++;
        if (++answers === proxies.length && answered === 0) health.worsen();
        report(acked === true);
      });
    }
    return proxies.length;
  }

  #concluded(member: Member, outcome: 'direct' | 'indirect' | 'failed', startMs: number, why: Why): void {
    const { ports, beliefs, health, table } = this.#parts;
    ports.meters.probed(outcome);
    health.concluded(outcome !== 'failed');
    // Whom chance picked says something about this node; whom others accused does not.
    if (why === 'ring') health.probed(member.record.id, outcome !== 'failed');
    if (table.get(member.record.id) !== member) return;
    if (outcome === 'failed') {
      beliefs.failed(member, startMs);
      if (member.own?.failures === 1) this.doubt(member, 'again');
    } else if (outcome === 'indirect') beliefs.answered(member);
  }
}
