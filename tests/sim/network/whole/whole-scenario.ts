import type { SimRandom } from '@ron/kernel/sim';
import { loadAnswerCheck, OverlayConfig } from '@ron/svc-overlay/service';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { LinkRates } from '../link-faults.ts';
import { rounded } from '../quantiles.ts';
import {
  checkedScenario,
  createNetwork,
  firedVerdicts,
  type RunScenario,
  type ScenarioArgs,
  type SimulatedNetwork,
  type Verdict,
} from '../scenario.ts';
import { drawAddress, WholeNode } from './whole-node.ts';

const Ms = Type.Integer({ minimum: 0, maximum: 24 * 3_600_000 });
const Whole = Type.Integer({ minimum: 0, maximum: 100_000 });

const WholePlan = Type.Object(
  {
    kind: Type.Literal('whole'),
    about: Type.String(),
    latency: Type.String(),
    links: LinkRates,
    handshake_round_trips: Type.Integer({ minimum: 0, maximum: 4 }),
    nodes: Type.Integer({ minimum: 8, maximum: 1_000 }),
    joins_per_s: Type.Number({ minimum: 0.1, maximum: 1_000 }),
    /** Of each object, the writer's own among them. */
    copies: Type.Integer({ minimum: 2, maximum: 8 }),
    object_bytes: Type.Integer({ minimum: 1, maximum: 2 ** 30 }),
    /** Before the cut. */
    writes: Whole,
    /** While it lasts, on both sides. */
    writes_while_cut: Whole,
    partition_ms: Ms,
    /** Nodes that are gone for ever from soon after the cut on, each right after a write of its own; fewer than copies, or objects may be lost. */
    crashes: Whole,
    /** From the heal on, until every object whose writer lives has its copies again: the grace time of the repair is 600 s. */
    repair_ms_max: Ms,
    /** Afterwards, in which what there is too much of is given up. */
    rest_ms: Ms,
    bars: Type.Object(
      { heal_ms_max: Ms, acknowledged_share_min: Type.Number(), found_share_min: Type.Number() },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
type WholePlan = Static<typeof WholePlan>;

export const wholeCanaries = ['ack-early', 'no-repair'] as const;
type Canary = (typeof wholeCanaries)[number];

const seedsCount = 3;
const settleMs = 60_000;
/** New provider records reach their regions within two minutes. */
const announcedMs = 150_000;
const waitMsMax = 120_000;

/** What was promised to a writer. */
interface Acknowledged {
  readonly address: string;
  readonly writer: WholeNode;
}

/** Overlay, DHT, placement and repair in one network that falls in two, loses nodes meanwhile, and heals: kind `whole` of scenario files. */
export const runWhole: RunScenario = async (file, args) => {
  const plan = checkedScenario(WholePlan, file);
  if (plan.crashes >= plan.copies) throw new RangeError('crashes must be fewer than copies');
  const { latency, links, handshake_round_trips: handshakeRoundTrips } = plan;
  const network = createNetwork(args, { latency, links, handshakeRoundTrips });
  const run = new WholeRun(network, plan, canaryOf(args), args.nodes ?? plan.nodes);
  await run.join();
  await run.write(plan.writes);
  await network.scheduler.runFor(announcedMs);
  await run.look('found_share_before');
  await run.cutAndHeal();
  await run.awaitRepair();
  await network.scheduler.runFor(plan.rest_ms);
  await run.look('found_share_end');
  return run.result(args.seed);
};

function canaryOf({ canary }: ScenarioArgs): Canary | undefined {
  if (canary === undefined) return undefined;
  const known = wholeCanaries.find((name) => name === canary);
  if (known === undefined) throw new RangeError(`the canaries of this kind are ${wholeCanaries.join(', ')}`);
  return known;
}

class WholeRun {
  readonly #network: SimulatedNetwork;
  readonly #plan: WholePlan;
  readonly #canary: Canary | undefined;
  readonly #count: number;
  readonly #random: SimRandom;
  readonly #nodes: WholeNode[] = [];
  readonly #acknowledged: Acknowledged[] = [];
  #refused = 0;
  readonly #values: Record<string, number | string> = {};
  readonly #verdicts: Verdict[] = [];

  constructor(network: SimulatedNetwork, plan: WholePlan, canary: Canary | undefined, count: number) {
    this.#network = network;
    this.#plan = plan;
    this.#canary = canary;
    this.#count = count;
    this.#random = network.random.fork('workload');
  }

  async join(): Promise<void> {
    const { scheduler } = this.#network;
    const config = Value.Create(OverlayConfig);
    const isAnswer = await loadAnswerCheck();
    for (let index = 0; index < this.#count; index++) {
      const seeds = this.#nodes.slice(0, seedsCount).map(({ contact }) => contact);
      const parts = { network: this.#network, index, config, isAnswer, seeds, breaks: this.#canary };
      const node = new WholeNode(parts);
      this.#nodes.push(node);
      void node.start();
      await scheduler.runFor(1_000 / this.#plan.joins_per_s);
    }
    const tookMs = await this.#until(() => this.#isComplete, waitMsMax);
    this.#check('everybody knows everybody', tookMs !== undefined, `${tookMs ?? 'not'} ms after the last join`);
    await scheduler.runFor(settleMs);
  }

  async write(count: number): Promise<void> {
    for (let index = 0; index < count; index++) await this.#network.scheduler.settle(this.#writeOne(this.#draw()));
  }

  /** Share of what was acknowledged that a node drawn by chance finds. */
  async look(name: string): Promise<number> {
    const { scheduler } = this.#network;
    let found = 0;
    for (const { address } of this.#acknowledged) {
      if (await scheduler.settle(this.#draw().finds(address), waitMsMax)) found++;
    }
    const share = rounded(found / Math.max(1, this.#acknowledged.length), 5);
    this.#values[name] = share;
    if (name === 'found_share_healed') return share;
    const { found_share_min: least } = this.#plan.bars;
    this.#check(name, share >= least, `${share}, at least ${least}`);
    return share;
  }

  async cutAndHeal(): Promise<void> {
    const { scheduler, faults } = this.#network;
    const { partition_ms: cutMs, writes_while_cut: writes, crashes, bars } = this.#plan;
    const left = new Set(this.#nodes.filter((_, index) => index % 2 === 0).map(({ contact }) => contact.id));
    const before = this.#acknowledged.length + this.#refused;
    const healsMs = scheduler.nowMs + cutMs;
    faults.partition((id) => (left.has(id) ? 1 : 0));
    for (let index = 0; index < crashes; index++) {
      const victim = this.#draw();
      await scheduler.settle(this.#writeOne(victim));
      victim.crash();
    }
    const lacking = this.#lacking;
    this.#values['lacking'] = lacking;
    this.#check('something lacks copies', lacking > 0, `${lacking} objects`);
    const writing = Array.from({ length: writes }, () => this.#writeLater((cutMs / 2) * this.#random.unit()));
    await scheduler.settle(Promise.all(writing));
    this.#values['writes_while_cut'] = this.#acknowledged.length + this.#refused - before;
    await scheduler.runFor(Math.max(0, healsMs - scheduler.nowMs));
    const seen = this.#running.map(({ overlay }) => overlay.membership.table.present);
    const most = Math.max(...seen);
    this.#check('the cut is noticed', most < 0.6 * this.#running.length, `${most} of ${this.#running.length} at most`);
    faults.partition(undefined);
    const tookMs = await this.#until(() => this.#isComplete, waitMsMax);
    this.#values['heal_ms'] = Math.round(tookMs ?? -1);
    const said = `${tookMs ?? 'not'} ms after it healed, at most ${bars.heal_ms_max}`;
    this.#check('membership converges', tookMs !== undefined && tookMs <= bars.heal_ms_max, said);
    await this.look('found_share_healed');
  }

  async awaitRepair(): Promise<void> {
    const tookMs = await this.#until(() => this.#lacking === 0, this.#plan.repair_ms_max);
    this.#values['repaired_ms'] = Math.round(tookMs ?? -1);
    const said = tookMs === undefined ? `${this.#lacking} still lack some` : `after ${Math.round(tookMs)} ms`;
    this.#check('copies are made again', tookMs !== undefined, said);
  }

  result(seed: number) {
    const { scheduler, faults, net } = this.#network;
    const { bars, links, copies } = this.#plan;
    const asked = this.#acknowledged.length + this.#refused;
    const share = this.#acknowledged.length / Math.max(1, asked);
    const living = this.#acknowledged.map(({ address }) => this.#living(address));
    const lost = living.filter((count) => count === 0).length;
    this.#check('acknowledged', share >= bars.acknowledged_share_min, `${this.#acknowledged.length} of ${asked}`);
    this.#check('no acknowledged write is lost', lost === 0, `${lost} of ${living.length}`);
    this.#verdicts.push(...firedVerdicts(faults, links, ['partition', 'crash']));
    const kept = this.#acknowledged.filter(({ writer }) => writer.isRunning);
    const values = {
      nodes: this.#count,
      seed,
      acknowledged: this.#acknowledged.length,
      refused: this.#refused,
      lost,
      ...this.#values,
      // Copies of those whose writer is gone stay as they are: repair is the writer's.
      writers_gone: this.#acknowledged.length - kept.length,
      copies_least: Math.min(...kept.map(({ address }) => this.#living(address))),
      copies_more_than_wanted: kept.filter(({ address }) => this.#living(address) > copies).length,
      messages_per_node: Math.round(net.totals.messages / this.#count),
      ...Object.fromEntries([...faults.fired].map(([fault, count]) => [`fired_${fault}`, count])),
      events: scheduler.steps,
      virtual_s: rounded(scheduler.nowMs / 1_000),
      trace_hash: scheduler.traceHash,
    };
    return { values, verdicts: this.#verdicts, charts: [{ title: 'Living copies', unit: 'copies', values: living }] };
  }

  get #running(): WholeNode[] {
    return this.#nodes.filter(({ isRunning }) => isRunning);
  }

  get #isComplete(): boolean {
    const running = this.#running;
    return running.every(({ overlay }) => overlay.membership.table.present === running.length - 1);
  }

  #draw(): WholeNode {
    const running = this.#running;
    return running[this.#random.integer(running.length)]!;
  }

  #living(address: string): number {
    return this.#running.filter(({ copies }) => copies.stored.has(address)).length;
  }

  /** Objects with fewer living copies than their writer, which lives, wants. */
  get #lacking(): number {
    const { copies } = this.#plan;
    return this.#acknowledged.filter(({ address, writer }) => writer.isRunning && this.#living(address) < copies)
      .length;
  }

  async #writeOne(writer: WholeNode): Promise<void> {
    const address = drawAddress(this.#random.bytes(16));
    const { copies, object_bytes: bytes } = this.#plan;
    try {
      await writer.copies.write(address, bytes, copies);
      this.#acknowledged.push({ address, writer });
      this.#network.scheduler.record(`acknowledged ${address}`);
    } catch (error) {
      this.#refused++;
      this.#network.scheduler.record(`refused ${(error as Error).message}`);
    }
  }

  #writeLater(afterMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#network.scheduler.after(afterMs, () => void this.#writeOne(this.#draw()).then(resolve), 'write');
    return promise;
  }

  #check(name: string, ok: boolean, said: string): void {
    this.#verdicts.push({ name, ok, said });
  }

  /** Steps of 100 ms until it holds; the milliseconds that it took, or undefined after `limitMs`. */
  async #until(holds: () => boolean, limitMs: number): Promise<number | undefined> {
    const { scheduler } = this.#network;
    const startMs = scheduler.nowMs;
    while (!holds()) {
      if (scheduler.nowMs - startMs >= limitMs) return undefined;
      await scheduler.runFor(100);
    }
    return scheduler.nowMs - startMs;
  }
}
