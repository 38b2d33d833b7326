import { dhtRulesDefault, findProviders } from '@ron/svc-dht/service';
import { Type } from 'typebox';
import { quantile, rounded } from '../quantiles.ts';
import { checkedScenario, createNetwork, type ScenarioArgs, type ScenarioResult } from '../scenario.ts';
import { Cluster } from './cluster.ts';

const Whole = Type.Integer({ minimum: 0, maximum: 10_000_000 });

const SweepScenario = Type.Object(
  {
    kind: Type.Literal('dht-sweep'),
    about: Type.String(),
    latency: Type.String(),
    nodes: Whole,
    join_ms: Whole,
    keys: Whole,
    /** Keys that are looked for afterwards, each by another node. */
    lookups: Whole,
    bars: Type.Object({ sweep_lookups_max: Whole, success_rate: Type.Number() }, { additionalProperties: false }),
  },
  { additionalProperties: false },
);

/** One node announces very many keys: what one cycle of the sweep costs it, and whether all of them are found. */
export async function runSweep(file: unknown, args: ScenarioArgs): Promise<ScenarioResult> {
  const scenario = checkedScenario(SweepScenario, file);
  if (args.canary !== undefined) throw new RangeError('this scenario has no canaries');
  const nodes = args.nodes ?? scenario.nodes;
  const network = createNetwork(args, { latency: scenario.latency });
  const { scheduler, net } = network;
  const random = network.random.fork('workload');
  const cluster = new Cluster(network, { rules: dhtRulesDefault });
  await cluster.grow(nodes, scenario.join_ms);
  const { publisher, node } = cluster.draw(random);
  const keys = Array.from({ length: scenario.keys }, () => Buffer.from(random.bytes(32)).toString('hex'));
  for (const key of keys) publisher.add(key);
  const before = { ...node.counts };
  const beganMs = scheduler.nowMs;
  const swept = await scheduler.settle(publisher.sweepAll(), 12 * 3_600_000);
  const sweepMs = scheduler.nowMs - beganMs;
  const sweep = { lookups: node.counts.lookups - before.lookups, requests: node.counts.asked - before.asked };
  let found = 0;
  for (let index = 0; index < scenario.lookups; index++) {
    const key = keys[random.integer(keys.length)]!;
    const { records } = await scheduler.settle(findProviders(cluster.draw(random).node, key, 1));
    if (records.length > 0) found++;
  }
  const stores = cluster.nodes.map((each) => each.node.store.size);
  const values = {
    nodes,
    seed: args.seed,
    keys: swept.keys,
    keys_placed: swept.placed,
    sweep_regions: swept.regions,
    sweep_lookups: sweep.lookups,
    sweep_requests: sweep.requests,
    sweep_requests_a_key: rounded(sweep.requests / swept.keys, 3),
    sweep_s: rounded(sweepMs / 1_000),
    stored_per_key: rounded(swept.stored / swept.keys),
    records_of_node_p50: quantile(stores, 0.5),
    records_of_node_max: Math.max(...stores),
    lookups: scenario.lookups,
    success_rate: rounded(found / scenario.lookups, 5),
    messages: net.totals.messages,
    bytes_per_message: rounded(net.totals.bytes / net.totals.messages),
    trace_hash: scheduler.traceHash,
  };
  const { bars } = scenario;
  return {
    values,
    verdicts: [
      {
        name: 'sweep_lookups',
        ok: sweep.lookups <= bars.sweep_lookups_max,
        said: `${sweep.lookups}, at most ${bars.sweep_lookups_max}`,
      },
      { name: 'keys_placed', ok: swept.placed === scenario.keys, said: `${swept.placed} of ${scenario.keys}` },
      {
        name: 'success_rate',
        ok: values.success_rate >= bars.success_rate,
        said: `${values.success_rate}, at least ${bars.success_rate}`,
      },
    ],
    charts: [{ title: 'Records of a node', unit: 'records', values: stores }],
  };
}
