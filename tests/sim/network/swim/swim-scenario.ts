import { type Static, Type } from 'typebox';
import { LinkRates } from '../link-faults.ts';
import { mean, quantile, rounded } from '../quantiles.ts';
import {
  checkedScenario,
  createNetwork,
  firedVerdicts,
  type RunScenario,
  type ScenarioArgs,
  type Verdict,
} from '../scenario.ts';
import { type SwimCanary, SwimCluster, simulatedTopic, swimCanaries } from './swim-cluster.ts';

export const SwimPlan = Type.Object(
  {
    kind: Type.Literal('swim'),
    about: Type.String(),
    latency: Type.String(),
    nodes: Type.Integer({ minimum: 3, maximum: 10_000 }),
    links: Type.Optional(LinkRates),
    /** Nodes that join in a second. */
    joins_per_s: Type.Number({ minimum: 0.1, maximum: 1_000 }),
    /** Virtual minutes of nothing but probes, in which false deaths and traffic are counted. */
    quiet_minutes: Type.Number({ minimum: 0, maximum: 600 }),
    /** Nodes that crash, one after the other. */
    crashes: Type.Integer({ minimum: 0, maximum: 1_000 }),
    /** Messages to everybody, from nodes by chance. */
    messages: Type.Integer({ minimum: 0, maximum: 10_000 }),
    /** Half of the nodes is cut off from the other for so long; 0: no partition. */
    partition_ms: Type.Integer({ minimum: 0, maximum: 3_600_000 }),
    bars: Type.Object(
      {
        detect_ms_max: Type.Number(),
        heal_ms_max: Type.Number(),
        /** Share of the nodes that somebody believes dead while they run, an hour. */
        false_deaths_per_hour: Type.Number(),
        messages_per_node_s: Type.Number(),
        delivered_share: Type.Number(),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
export type SwimPlan = Static<typeof SwimPlan>;

type Values = Record<string, number | string>;
type Check = (name: string, ok: boolean, said: string) => void;

const settleMs = 60_000;
const waitMsMax = 120_000;

/** A network that forms, rests, loses nodes, and falls in two: kinds `swim` of scenario files. */
export const runSwim: RunScenario = async (file, args) => {
  const plan = checkedScenario(SwimPlan, file);
  const network = createNetwork(args, { latency: plan.latency, ...(plan.links ? { links: plan.links } : {}) });
  const cluster = await SwimCluster.create(network, canaryOf(args));
  const values: Values = { nodes: args.nodes ?? plan.nodes };
  const verdicts: Verdict[] = [];
  const check: Check = (name, ok, said) => verdicts.push({ name, ok, said });
  await join(cluster, plan, Number(values['nodes']), values, check);
  await rest(cluster, plan, values, check);
  await gossip(cluster, plan, values, check);
  const detections = await crash(cluster, plan, values, check);
  const { falselyDead } = cluster.counts;
  await part(cluster, plan, values, check);
  const hours = network.scheduler.nowMs / 3_600_000;
  values['false_deaths_seen'] = cluster.counts.falseDeaths;
  const rate = falselyDead.size / Number(values['nodes']) / hours;
  values['false_deaths_per_hour'] = rate;
  check('false deaths', rate < plan.bars.false_deaths_per_hour, `${falselyDead.size} nodes in ${hours.toFixed(2)} h`);
  const asked = [
    ...(plan.crashes > 0 ? (['crash'] as const) : []),
    ...(plan.partition_ms > 0 ? (['partition'] as const) : []),
  ];
  verdicts.push(...firedVerdicts(network.faults, plan.links ?? {}, asked));
  for (const [fault, count] of network.faults.fired) values[`fired_${fault}`] = count;
  values['virtual_s'] = Math.round(network.scheduler.nowMs / 1_000);
  values['events'] = network.scheduler.steps;
  values['trace_hash'] = network.scheduler.traceHash;
  for (const { overlay } of cluster.running) overlay.stop();
  return { values, verdicts, charts: [{ title: 'until all knew of a crash', unit: 'ms', values: detections }] };
};

function canaryOf({ canary }: ScenarioArgs): SwimCanary | undefined {
  if (canary === undefined) return undefined;
  const known = swimCanaries.find((name) => name === canary);
  if (known === undefined) throw new RangeError(`the canaries of this kind are ${swimCanaries.join(', ')}`);
  return known;
}

async function join(cluster: SwimCluster, plan: SwimPlan, nodes: number, values: Values, check: Check): Promise<void> {
  const { scheduler } = cluster.network;
  const startMs = scheduler.nowMs;
  for (let index = 0; index < nodes; index++) {
    await scheduler.settle(cluster.add());
    await scheduler.runFor(1_000 / plan.joins_per_s);
  }
  const tookMs = await cluster.until(() => cluster.isComplete, waitMsMax);
  values['join_settled_ms'] = tookMs ?? -1;
  const said = tookMs === undefined ? 'never' : `${tookMs} ms after the last join`;
  check('everybody knows everybody', tookMs !== undefined, said);
  await scheduler.runFor(settleMs);
  values['join_ms'] = scheduler.nowMs - startMs;
}

async function rest(cluster: SwimCluster, plan: SwimPlan, values: Values, check: Check): Promise<void> {
  const { scheduler } = cluster.network;
  const { probes } = cluster.counts;
  const probesBefore = { ...probes };
  const before = cluster.running.map(({ endpoint }) => ({ sent: endpoint.sent, bytes: endpoint.bytesSent }));
  const durationS = plan.quiet_minutes * 60;
  if (durationS === 0) return;
  await scheduler.runFor(durationS * 1_000);
  const rates = cluster.running.map(({ endpoint }, at) => (endpoint.sent - before[at]!.sent) / durationS);
  const bytes = cluster.running.map(({ endpoint }, at) => (endpoint.bytesSent - before[at]!.bytes) / durationS);
  values['messages_per_node_s'] = rounded(mean(rates), 2);
  values['messages_per_node_s_max'] = rounded(Math.max(...rates), 2);
  values['bytes_per_node_s'] = Math.round(mean(bytes));
  const indirect = probes.indirect - probesBefore.indirect;
  const failures = probes.failed - probesBefore.failed;
  const all = probes.direct - probesBefore.direct + indirect + failures;
  values['probes_indirect_share'] = rounded(indirect / all, 5);
  values['probes_failed_share'] = rounded(failures / all, 7);
  check(
    'traffic',
    mean(rates) <= plan.bars.messages_per_node_s,
    `${rounded(mean(rates), 2)} messages a node and second`,
  );
}

async function gossip(cluster: SwimCluster, plan: SwimPlan, values: Values, check: Check): Promise<void> {
  if (plan.messages === 0) return;
  const { scheduler, random } = cluster.network;
  const draw = random.fork('gossip');
  const sentBefore = cluster.network.net.totals.messages;
  const { running } = cluster;
  for (let count = 0; count < plan.messages; count++) {
    const { overlay } = running[draw.integer(running.length)]!;
    await scheduler.settle(overlay.publish(simulatedTopic, draw.bytes(32)));
    await scheduler.runFor(100);
  }
  await scheduler.runFor(10_000);
  const share = cluster.counts.delivered / (plan.messages * running.length);
  values['gossip_delivered_share'] = share;
  values['gossip_messages_each'] = rounded((cluster.network.net.totals.messages - sentBefore) / plan.messages);
  const ok = share >= plan.bars.delivered_share && share <= 1;
  check('gossip arrives once', ok, `${(share * 100).toFixed(3)} % of deliveries`);
}

async function crash(cluster: SwimCluster, plan: SwimPlan, values: Values, check: Check): Promise<number[]> {
  const { scheduler, random } = cluster.network;
  const draw = random.fork('crashes');
  const detections: number[] = [];
  for (let count = 0; count < plan.crashes; count++) {
    const victim = cluster.running[draw.integer(cluster.running.length)]!;
    await scheduler.runFor(draw.integer(1_000));
    cluster.crash(victim);
    const { id } = victim.contact;
    const { running } = cluster;
    const isKnown = () => running.every(({ overlay }) => overlay.membership.table.get(id)?.state === 'dead');
    detections.push((await cluster.until(isKnown, waitMsMax)) ?? waitMsMax);
  }
  if (detections.length === 0) return detections;
  values['detect_ms_p50'] = quantile(detections, 0.5);
  values['detect_ms_max'] = Math.max(...detections);
  const said = `${Math.max(...detections)} ms until the last node knew, of ${detections.length} crashes`;
  check('a dead node is known to all', Math.max(...detections) <= plan.bars.detect_ms_max, said);
  return detections;
}

async function part(cluster: SwimCluster, plan: SwimPlan, values: Values, check: Check): Promise<void> {
  if (plan.partition_ms === 0) return;
  const { scheduler, faults } = cluster.network;
  const { running } = cluster;
  const left = new Set(running.filter((_, index) => index % 2 === 0).map(({ contact }) => contact.id));
  cluster.isCut = true;
  faults.partition((id) => (left.has(id) ? 1 : 0));
  await scheduler.runFor(plan.partition_ms);
  const seen = running.map(({ overlay }) => overlay.membership.table.present);
  values['present_while_cut_mean'] = rounded(mean(seen), 2);
  check(
    'the cut is noticed',
    mean(seen) < 0.6 * running.length,
    `${rounded(mean(seen), 2)} of ${running.length} on average`,
  );
  faults.partition(undefined);
  const tookMs = await cluster.until(() => cluster.isComplete, waitMsMax);
  values['heal_ms'] = tookMs ?? -1;
  const said = tookMs === undefined ? `not in ${waitMsMax} ms` : `${tookMs} ms after it healed`;
  check('membership converges', tookMs !== undefined && tookMs <= plan.bars.heal_ms_max, said);
  cluster.isCut = false;
}
