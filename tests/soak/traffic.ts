import type { Generator } from '../load/generator/generator.ts';
import type { Lane, LoadPlan, LoadResult } from '../load/generator/plan.ts';
import { limitsOf } from '../load/measure/ceiling.ts';
import { mailbox, mixOf, setName } from '../load/target/mixes.ts';
import { ask, type Seeded } from '../load/target/seeding.ts';

const everything = [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }];
/** The longest that the passport service gives; a round is shorter. */
const ttlS = 3_600;
/** Of the tenant that asks for more than it may. */
const limitedPerSecond = 5;
export const limitedLane = 'limited';
export const bucketMs = 10_000;

export interface TrafficParts {
  readonly url: string;
  readonly edgeUrl: string;
  readonly capability: string;
  readonly seeded: Seeded;
  readonly perSecond: number;
  readonly seconds: number;
  readonly seed: number;
}

/** One round on fresh passports: most of it the realistic mix, and a little of everything else. */
export async function runRound(
  parts: TrafficParts,
  [direct, edged]: readonly [Generator, Generator],
): Promise<readonly [LoadResult, LoadResult]> {
  const { seeded, perSecond, seconds } = parts;
  const phases = (share: number) => [{ name: 'soak', seconds, perSecond: share * perSecond }];
  const lane = async (name: string, share: number, requests: Lane['requests'], limits = {}): Promise<Lane> => {
    const passport = { subject: `soak-${name}`, tenant: name, rights: everything, ttl_s: ttlS, limits };
    const { url, capability: owner } = parts;
    const { capability } = await ask<{ capability: string }>(url, owner, 'POST', '/passport/issue', passport);
    return { name, capability, requests, phases: phases(share), arrivals: 'poisson' };
  };
  const lanes = [
    await lane('realistic', 0.7, mixOf('realistic', seeded)),
    await lane('mail', 0.1, mailbox(seeded.boxes, 50)),
    await lane('names', 0.02, [setName(seeded, 1)]),
    await lane('large', 0.005, mixOf('large', seeded)),
    {
      ...(await lane(limitedLane, 1, mixOf('small', seeded), { requests_per_second: limitedPerSecond })),
      phases: [{ name: 'soak', seconds, perSecond: 4 * limitedPerSecond }],
    },
  ];
  // What is public goes through the cache in front; without a capability, so that it may be kept.
  const edge: Lane = {
    name: 'edge',
    capability: '',
    requests: mixOf('reads', seeded).filter(({ name }) => name.startsWith('get')),
    phases: phases(0.15),
    arrivals: 'poisson',
  };
  return await Promise.all([
    direct.run(planOf(parts.url, lanes, parts.seed, 512)),
    edged.run(planOf(parts.edgeUrl, [edge], parts.seed + 1, 64)),
  ]);
}

function planOf(url: string, lanes: readonly Lane[], seed: number, connectionsMax: number): LoadPlan {
  const { hostname: host, port } = new URL(url);
  return { host, port: Number(port), lanes, seed, addressFrom: 0, ...limitsOf(connectionsMax), bucketMs };
}
