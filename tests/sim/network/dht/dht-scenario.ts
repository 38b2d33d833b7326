import { dhtRulesDefault } from '@ron/svc-dht/service';
import { type Static, Type } from 'typebox';
import { type LinkFaults, LinkRates } from '../link-faults.ts';
import { mean, quantile, rounded } from '../quantiles.ts';
import {
  type Chart,
  checkedScenario,
  createNetwork,
  firedVerdicts,
  type ScenarioArgs,
  type ScenarioResult,
  type Verdict,
} from '../scenario.ts';
import { Churn } from './churn.ts';
import { Cluster } from './cluster.ts';
import { placeKeys, Searches } from './searches.ts';

const Ms = Type.Integer({ minimum: 0, maximum: 30 * 86_400_000 });
const Whole = Type.Integer({ minimum: 0, maximum: 1_000_000 });
const Share = Type.Number({ minimum: 0, maximum: 1 });

const DhtScenario = Type.Object(
  {
    kind: Type.Literal('dht'),
    about: Type.String(),
    latency: Type.String(),
    links: Type.Optional(LinkRates),
    /** Round trips to open a connection; 0: nodes are connected already. */
    handshake_round_trips: Type.Optional(Type.Integer({ minimum: 0, maximum: 4 })),
    nodes: Whole,
    join_ms: Ms,
    keys: Whole,
    lookups: Whole,
    lookups_over_ms: Ms,
    /** Time in which nodes only look after their tables, for the load of that. */
    idle_ms: Ms,
    /** Share of the nodes that leave in an hour, replaced by as many. */
    churn_per_hour: Type.Optional(Share),
    bars: Type.Object(
      {
        success_rate: Share,
        hops_p99: Type.Optional(Whole),
        lookup_p95_ms: Type.Optional(Ms),
        lookup_p99_ms: Type.Optional(Ms),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
type DhtScenario = Static<typeof DhtScenario>;

export async function runDht(file: unknown, args: ScenarioArgs): Promise<ScenarioResult> {
  const scenario = checkedScenario(DhtScenario, file);
  if (args.canary !== undefined) throw new RangeError('this scenario has no canaries');
  const nodes = args.nodes ?? scenario.nodes;
  const { latency, links = {}, handshake_round_trips: handshakeRoundTrips = 0 } = scenario;
  const network = createNetwork(args, { latency, links, handshakeRoundTrips });
  const { scheduler, net } = network;
  const random = network.random.fork('workload');
  const cluster = new Cluster(network, { rules: dhtRulesDefault });
  await cluster.grow(nodes, scenario.join_ms);
  const joining = net.totals.messages;

  const keys = await placeKeys(cluster, scenario.keys, random);
  const placed = net.totals.messages;
  await scheduler.runFor(scenario.idle_ms);
  const idle = net.totals.messages - placed;

  const searches = new Searches();
  const churn = new Churn(cluster, random.fork('churn'), scenario.churn_per_hour ?? 0);
  churn.start();
  const before = net.totals.messages;
  const running: Promise<void>[] = [];
  for (let index = 0; index < scenario.lookups; index++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    running.push(promise);
    const search = () => searches.make(cluster, keys[random.integer(keys.length)]!, random).then(resolve, resolve);
    scheduler.after(random.unit() * scenario.lookups_over_ms, search, 'search');
  }
  await scheduler.runFor(scenario.lookups_over_ms + 30_000);
  churn.stop();

  const sent = cluster.nodes.map(({ contact }) => net.endpointOf(contact.id)!).map((end) => end.sent + end.received);
  const values = {
    nodes,
    seed: args.seed,
    ...searches.values(),
    stored_on_p50: quantile(
      keys.map(({ stored }) => stored),
      0.5,
    ),
    stored_on_least: Math.min(...keys.map(({ stored }) => stored)),
    size_estimate_p50: Math.round(
      quantile(
        cluster.nodes.map(({ node }) => node.sizeEstimate),
        0.5,
      ),
    ),
    table_p50: quantile(
      cluster.nodes.map(({ node }) => node.table.size),
      0.5,
    ),
    messages_per_node: rounded(mean(sent)),
    messages_per_node_p99: quantile(sent, 0.99),
    join_messages_per_node: rounded((2 * joining) / nodes),
    idle_messages_per_node_hour: rounded(((2 * idle) / nodes) * (3_600_000 / Math.max(1, scenario.idle_ms))),
    messages_per_lookup: rounded((net.totals.messages - before) / Math.max(1, searches.made)),
    bytes_per_message: rounded(net.totals.bytes / Math.max(1, net.totals.messages)),
    ...churn.values(),
    timeouts: net.totals.timedOut,
    ...Object.fromEntries([...network.faults.fired].map(([fault, count]) => [`fired_${fault}`, count])),
    events: scheduler.steps,
    virtual_s: rounded(scheduler.nowMs / 1_000),
    trace_hash: scheduler.traceHash,
  };
  return { values, verdicts: verdictsOf(scenario, network.faults, values), charts: chartsOf(searches, sent) };
}

function verdictsOf(
  { bars, lookups, churn_per_hour, links = {} }: DhtScenario,
  faults: LinkFaults,
  values: Record<string, number | string>,
) {
  const verdicts: Verdict[] = [];
  const bar = (name: string, ok: (value: number) => boolean, wanted: string) => {
    const value = Number(values[name]);
    verdicts.push({ name, ok: ok(value), said: `${value}, ${wanted}` });
  };
  const atMost = (name: string, limit: number | undefined) => {
    if (limit !== undefined) bar(name, (value) => value <= limit, `at most ${limit}`);
  };
  bar('success_rate', (value) => value >= bars.success_rate, `at least ${bars.success_rate}`);
  bar('lookups', (value) => value >= lookups * 0.95, `nearly all of ${lookups}`);
  atMost('hops_p99', bars.hops_p99);
  atMost('lookup_p95_ms', bars.lookup_p95_ms);
  atMost('lookup_p99_ms', bars.lookup_p99_ms);
  verdicts.push(...firedVerdicts(faults, links, churn_per_hour ? ['crash', 'leave'] : []));
  return verdicts;
}

function chartsOf(searches: Searches, sent: readonly number[]): Chart[] {
  return [
    { title: 'Time to the first provider', unit: 'ms', values: searches.firstMs },
    { title: 'Hops', unit: 'hops', values: searches.hops },
    { title: 'Requests of a lookup', unit: 'requests', values: searches.asked },
    { title: 'Messages of a node, sent and received', unit: 'messages', values: sent },
  ];
}
