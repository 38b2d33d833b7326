import { type DhtRules, dhtRulesDefault } from '@ron/svc-dht/service';
import { type Static, Type } from 'typebox';
import { rounded } from '../quantiles.ts';
import { checkedScenario, createNetwork, type ScenarioArgs, type ScenarioResult } from '../scenario.ts';
import { Cluster, type SimNode } from './cluster.ts';
import { Searches } from './searches.ts';
import { flood, Sybils } from './sybils.ts';

const Whole = Type.Integer({ minimum: 0, maximum: 100_000 });

const SybilScenario = Type.Object(
  {
    kind: Type.Literal('dht-sybil'),
    about: Type.String(),
    latency: Type.String(),
    nodes: Whole,
    join_ms: Whole,
    sybils: Whole,
    /** Bits that each id shares with the key; in 200 nodes the nearest honest one shares 8 or 9. */
    sybil_bits: Type.Integer({ minimum: 0, maximum: 20 }),
    /** Keys that are attacked, one after the other. */
    rounds: Whole,
    lookups_a_round: Whole,
    flood_nodes: Whole,
    flood_ms: Whole,
    bars: Type.Object(
      {
        denied_share_max: Type.Number(),
        denied_share_undefended_min: Type.Number(),
        table_kept_share_min: Type.Number(),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
type SybilScenario = Static<typeof SybilScenario>;

const canaries = ['evict-oldest', 'no-verify'] as const;
type Canary = (typeof canaries)[number];

/** Kademlia as it was published: the k nearest keep a record, one path looks for it, and nobody counts networks. */
const undefended: DhtRules = {
  ...dhtRulesDefault,
  regionNodesMin: 0,
  paths: 1,
  groupAsksMax: 1_000,
  table: { ...dhtRulesDefault.table, groupInBucketMax: 1_000, groupInTableMax: 1_000 },
};

export async function runSybils(file: unknown, args: ScenarioArgs): Promise<ScenarioResult> {
  const scenario = checkedScenario(SybilScenario, file);
  const canary = canaries.find((name) => name === args.canary);
  if (args.canary !== canary) throw new RangeError(`no canary ${args.canary}; there are ${canaries.join(', ')}`);
  const defended = await attack(scenario, args, dhtRulesDefault, canary);
  // What a broken build is caught by is the same with and without the defence.
  const plain = canary === undefined ? await attack(scenario, args, undefended, canary) : undefined;
  const { bars } = scenario;
  const values = {
    nodes: args.nodes ?? scenario.nodes,
    sybils: scenario.sybils,
    seed: args.seed,
    lookups: defended.searches.made,
    denied_share: rounded(1 - defended.searches.successRate, 4),
    denied_share_undefended: plain === undefined ? 'not run' : rounded(1 - plain.searches.successRate, 4),
    lookup_p95_ms: defended.searches.values()['lookup_p95_ms']!,
    asked_p99: defended.searches.values()['asked_p99']!,
    records_swallowed: defended.swallowed,
    forged_kept: defended.forgedKept,
    forged_believed: defended.searches.forged,
    flood_table_kept_share: rounded(defended.keptShare, 4),
    trace_hash: defended.traceHash,
    trace_hash_undefended: plain?.traceHash ?? 'not run',
  };
  const verdict = (name: keyof typeof values, ok: boolean, wanted: string) => ({
    name,
    ok,
    said: `${values[name]}, ${wanted}`,
  });
  return {
    values,
    verdicts: [
      verdict('denied_share', values.denied_share <= bars.denied_share_max, `at most ${bars.denied_share_max}`),
      verdict(
        'denied_share_undefended',
        plain === undefined || 1 - plain.searches.successRate >= bars.denied_share_undefended_min,
        `at least ${bars.denied_share_undefended_min}, or the attack is none`,
      ),
      verdict('records_swallowed', values.records_swallowed > 0, 'the Sybils were given records'),
      verdict('forged_kept', values.forged_kept === 0, 'none'),
      verdict('forged_believed', values.forged_believed === 0, 'none'),
      verdict(
        'flood_table_kept_share',
        values.flood_table_kept_share >= bars.table_kept_share_min,
        `at least ${bars.table_kept_share_min}`,
      ),
    ],
    charts: [{ title: 'Time to the first provider, under attack', unit: 'ms', values: defended.searches.firstMs }],
  };
}

async function attack(scenario: SybilScenario, args: ScenarioArgs, rules: DhtRules, canary: Canary | undefined) {
  const network = createNetwork(args, { latency: scenario.latency });
  const { scheduler } = network;
  const random = network.random.fork('workload');
  const cluster = new Cluster(network, { rules, checkRecords: canary !== 'no-verify', evictOldest: () => evicting });
  let evicting = false;
  await cluster.grow(args.nodes ?? scenario.nodes, scenario.join_ms);
  const searches = new Searches();
  let swallowed = 0;
  let forgedKept = 0;
  for (let round = 0; round < scenario.rounds; round++) {
    const key = Buffer.from(random.bytes(32)).toString('hex');
    const sybils = new Sybils(cluster, key, round % 2 === 0 ? 'nothing' : 'forged');
    await sybils.enter(scenario.sybils, scenario.sybil_bits);
    const { publisher, contact } = cluster.draw(random);
    publisher.add(key);
    const { stored } = await scheduler.settle(publisher.publish([key]));
    await sybils.forge();
    const placed = { key, provider: contact.id, stored };
    for (let index = 0; index < scenario.lookups_a_round; index++) {
      await scheduler.settle(searches.make(cluster, placed, random));
    }
    swallowed += sybils.swallowed;
    forgedKept += sybils.forgedKept;
    sybils.leave();
  }
  // Long enough for entries to be asked whether they live when somebody wants their place.
  await scheduler.runFor(600_000);
  const before = new Map(cluster.nodes.map((each) => [each, idsOf(each)]));
  evicting = canary === 'evict-oldest';
  await flood(cluster, scenario.flood_nodes, scenario.flood_ms, random);
  return { searches, swallowed, forgedKept, keptShare: keptShareOf(before), traceHash: scheduler.traceHash };
}

function idsOf({ node }: SimNode): Set<string> {
  return new Set([...node.table.buckets()].flatMap(([, { entries }]) => entries.map(({ contact }) => contact.id)));
}

/** How many of the entries that lived before the flood are still there. */
function keptShareOf(before: ReadonlyMap<SimNode, ReadonlySet<string>>): number {
  const living = new Set([...before.keys()].map(({ contact }) => contact.id));
  let all = 0;
  let kept = 0;
  for (const [node, ids] of before) {
    const now = idsOf(node);
    for (const id of ids) {
      if (!living.has(id)) continue;
      all++;
      if (now.has(id)) kept++;
    }
  }
  return kept / all;
}
