import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeSigned } from '@ron/signed';
import { type NodeProcess, startNode } from '../node-process.ts';
import { wrk } from '../peers/wrk.ts';
import { createPolicySigner, type RuleKind, rulesOf, signedRules } from '../policy-under-test.ts';
import { cpuMsOf } from '../processes.ts';
import { median, type Row } from '../row.ts';
import { metric } from './get.ts';

const rulesMax = 1_000;

async function nodeWith(kind: RuleKind | undefined): Promise<NodeProcess> {
  const signer = createPolicySigner();
  const root = `policy.root_signers=bench:${signer.listed.ed25519}`;
  const node = await startNode({ args: ['--set', root] });
  if (kind === undefined) return node;
  const body = encodeSigned(await signedRules(signer, rulesOf(kind, rulesMax), Date.now()));
  const headers = { authorization: `Bearer ${node.capability}` };
  const reply = await fetch(`${node.url}/policy/activate`, { method: 'POST', body, headers });
  if (!reply.ok) throw new Error(`the policy was refused: ${await reply.text()}`);
  return node;
}

/** Names of the same object, each asked for in turn: as many verdicts are remembered. */
const names = 2_000;

async function prepare(node: NodeProcess, folder: string, name: string): Promise<string> {
  const headers = { authorization: `Bearer ${node.capability}` };
  const put = await fetch(`${node.url}/put`, { method: 'PUT', body: new Uint8Array(1_024), headers });
  const { address } = (await put.json()) as { address: string };
  for (let at = 0; at < names; at += 1) {
    const body = JSON.stringify({ address });
    const set = await fetch(`${node.url}/name/tree-${at}/leaf`, { method: 'PUT', body, headers });
    if (!set.ok) throw new Error(`a name was refused: ${await set.text()}`);
  }
  const script = join(folder, `${name}.lua`);
  await writeFile(
    script,
    `
local at = 0
request = function()
  at = at + 1
  return wrk.format("GET", "/name/resolve/tree-" .. (at % ${names}) .. "/leaf")
end
`,
  );
  return `${node.url}/o/${address}\n${script}`;
}

interface PipelineCase {
  readonly id: string;
  readonly job: string;
  readonly kind: RuleKind;
  readonly scripted: boolean;
}

const cases: readonly PipelineCase[] = [
  { id: 'object', job: 'GET 1 KiB by address, 1,000 rules', kind: 'heads', scripted: false },
  { id: 'names', job: 'GET of 2,000 names in turn, 1,000 rules', kind: 'heads', scripted: true },
  { id: 'conditions', job: 'GET of 2,000 names in turn, 1,000 conditions', kind: 'conditions', scripted: true },
];

interface Target {
  readonly node: NodeProcess;
  readonly url: string;
  readonly script: string;
}

/** µs of processor that a request costs the node: unlike requests a second, others on the machine hardly change it. */
interface Cost {
  readonly cpuUs: number;
  readonly perSecond: number;
}

/** Two nodes that differ in the policy only, in turns. */
export const trustPipelineRows: readonly Row[] = cases.map(({ id, job, kind, scripted }) => ({
  id: `trust-pipeline-${id}`,
  job: `whole pipeline, ${job}: processor time of a request`,
  anchor: 'the same node without a policy',
  bar: undefined,
  needs: ['wrk'],
  async run({ rounds, secondsPerRound, folder }) {
    await using plain = await nodeWith(undefined);
    await using ruled = await nodeWith(kind);
    const targets: Target[] = [];
    for (const [name, node] of Object.entries({ plain, ruled })) {
      const [url = '', script = ''] = (await prepare(node, folder, name)).split('\n');
      targets.push({ node, url, script });
    }
    const cost = async ({ node, url, script }: Target): Promise<Cost> => {
      const headers = { authorization: `Bearer ${node.capability}` };
      const load = { seconds: secondsPerRound, connections: 32, headers, ...(scripted ? { script } : {}) };
      const before = await cpuMsOf(node.pid);
      const { requestsPerSecond, requests } = await wrk(url, load);
      return { cpuUs: (1_000 * ((await cpuMsOf(node.pid)) - before)) / requests, perSecond: requestsPerSecond };
    };
    for (const target of targets) await cost(target);
    const [ours, anchor]: [Cost[], Cost[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      // In turns about who begins, too.
      const order = round % 2 === 0 ? targets : targets.toReversed();
      for (const target of order) (target.node === ruled ? ours : anchor).push(await cost(target));
    }
    const decisions = await metric(ruled.url, 'policy_decisions_total{decision="allow"}');
    const rate = (costs: readonly Cost[]) => median(costs.map(({ perSecond }) => perSecond)).toFixed(0);
    const each = (costs: readonly Cost[]) => costs.map(({ cpuUs }) => cpuUs.toFixed(1));
    return {
      unit: 'µs',
      ours: ours.map(({ cpuUs }) => cpuUs),
      anchor: anchor.map(({ cpuUs }) => cpuUs),
      higherIsBetter: false,
      evidence: `rounds ${each(ours).join(' ')} against ${each(anchor).join(' ')} µs; ${rate(ours)} against ${rate(anchor)} requests/s; the policy said yes ${decisions} times`,
    };
  },
}));
