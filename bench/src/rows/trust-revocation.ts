import { join } from 'node:path';
import { startNode } from '../node-process.ts';
import { wrk } from '../peers/wrk.ts';
import { type Row, spread } from '../row.ts';
import { JsonClient } from './trust-passport.ts';

const tries = 100;
const barMs = 1_000;
const loadSeconds = 30;

interface Passport {
  readonly capability: string;
  readonly capability_id: string;
  readonly family: string;
}

/** From the answer of the revocation to the answer of the first call that is refused, in ms. */
async function refusedAfter(
  client: JsonClient,
  url: string,
  owner: string,
  at: number,
): Promise<{ ms: number; used: number }> {
  const by = { authorization: `Bearer ${owner}` };
  const subject = `user-${at}`;
  const rights = [{ methods: ['read'], prefix: 'o/' }];
  const scheme = at % 2 === 0 ? 'hmac' : 'ed25519';
  const passport = await client.json<Passport>('POST', '/passport/issue', { subject, rights, scheme }, by);
  const holder = { authorization: `Bearer ${passport.capability}` };
  // Used before, so that the node remembers its verdict.
  for (let use = 0; use < 3; use += 1) await expectStatus(client, url, holder, 200);
  const whats = [{ capability_id: passport.capability_id }, { subject }, { family: passport.family }];
  await client.json('POST', '/passport/revoke', whats[at % whats.length], by);
  const from = performance.now();
  for (let used = 0; performance.now() < from + 10 * barMs; used += 1) {
    const { status } = await client.send('GET', url, undefined, holder);
    if (status === 401) return { ms: performance.now() - from, used };
  }
  throw new Error('the capability is still good ten seconds after its revocation');
}

async function expectStatus(client: JsonClient, path: string, headers: Record<string, string>, wanted: number) {
  const { status, text } = await client.send('GET', path, undefined, headers);
  if (status !== wanted) throw new Error(`${path}: ${status} ${text.slice(0, 200)}`);
}

export const trustRevocationRows: readonly Row[] = [false, true].map((loaded) => ({
  id: loaded ? 'trust-revocation-loaded' : 'trust-revocation',
  job: `revocation: answer of revoke to the first refusal, the longest of ${tries}${loaded ? ', while 32 clients read' : ''}`,
  anchor: '',
  bar: undefined,
  limit: barMs,
  needs: loaded ? ['wrk'] : [],
  async run({ folder }) {
    await using node = await startNode({ persist: join(folder, 'node') });
    using client = new JsonClient(node.url);
    const by = { authorization: `Bearer ${node.capability}` };
    const put = await fetch(`${node.url}/put`, { method: 'PUT', body: new Uint8Array(1_024), headers: by });
    const { address } = (await put.json()) as { address: string };
    const times: number[] = [];
    let late = 0;
    const measure = async () => {
      for (let at = 0; at < tries; at += 1) {
        const { ms, used } = await refusedAfter(client, `/o/${address}`, node.capability, at);
        times.push(ms);
        if (used > 0) late += 1;
      }
    };
    const load = { seconds: loadSeconds, connections: 32, headers: by };
    let served = '';
    if (loaded) {
      const [reading] = await Promise.all([wrk(`${node.url}/o/${address}`, load), measure()]);
      served = `; ${reading.requestsPerSecond.toFixed(0)} reads/s meanwhile`;
    } else await measure();
    const evidence = `${times.length} tries, HMAC and Ed25519, by capability, subject and family; ${late} were used once more; ${spread(times, 'ms')}${served}`;
    return { unit: 'ms', ours: [Math.max(...times)], anchor: [], higherIsBetter: false, evidence };
  },
}));
