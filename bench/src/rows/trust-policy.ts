import { createRamTable } from '@ron/journal';
import { createRealEnv } from '@ron/kernel/real';
import { openPolicyEngine, type PolicyRow, policyRowsMax, RuleSet } from '@ron/policy';
import type { PolicyRequest } from '@ron/service';
import { encodeSigned } from '@ron/signed';
import { cpuUs } from '../own-time.ts';
import { createPolicySigner, rulesOf, signedRules } from '../policy-under-test.ts';
import { type Row, spread } from '../row.ts';

/** Hits are shorter than the clock can see: each sample is the mean of so many. */
const together = 100;

async function startEngine(rules: string) {
  const env = createRealEnv();
  const signer = createPolicySigner();
  const table = createRamTable<PolicyRow>({ entriesMax: policyRowsMax });
  const engine = await openPolicyEngine({ env, table, rootSigners: [signer.listed] });
  if (rules !== '') await engine.activate(encodeSigned(await signedRules(signer, rules, env.clock.wallMs())));
  return engine;
}
type Engine = Awaited<ReturnType<typeof startEngine>>;

/** Nobody has asked this before. */
function question(at: number): PolicyRequest {
  const principal = { subject: 'alice', capabilityId: 'cap-1', tenant: '', limits: {}, allows: () => true };
  return { op: 'gateway.get', method: 'read', resource: `n/tree-${at % 5_000}/leaf-${at}`, principal, tenant: '' };
}

/** Mean of each round and each sample on its own, in µs. `next`: the number that no question had yet. */
function decideNew(engine: Engine, count: number, next: { at: number }, samples: number[]): number {
  const questions = Array.from({ length: count }, () => question(next.at++));
  const began = cpuUs();
  for (const each of questions) {
    const from = performance.now();
    engine.stage.decide(each);
    samples.push((performance.now() - from) * 1_000);
  }
  return (cpuUs() - began) / count;
}

const kinds = [
  { id: 'heads', job: '1,000 rules that their heads tell apart', kind: 'heads', count: 5_000 },
  { id: 'conditions', job: '1,000 conditions evaluated', kind: 'conditions', count: 1_000 },
  { id: 'subjects', job: '1,000 rules for as many subjects', kind: 'subjects', count: 5_000 },
] as const;

const newRows: readonly Row[] = kinds.map(({ id, job, kind, count }) => ({
  id: `trust-policy-new-${id}`,
  job: `policy decision, new question, ${job}`,
  anchor: '',
  bar: undefined,
  limit: 100,
  needs: [],
  async run({ rounds }) {
    await using engine = await startEngine(rulesOf(kind, 1_000));
    const samples: number[] = [];
    const next = { at: 0 };
    decideNew(engine, count, next, []);
    const ours: number[] = [];
    for (let round = 0; round < rounds; round += 1) ours.push(decideNew(engine, count, next, samples));
    const evidence = `${rounds * count} questions, each once; by the clock ${spread(samples, 'µs')}`;
    return { unit: 'µs of processor', ours, anchor: [], higherIsBetter: false, evidence };
  },
}));

const hitRow: Row = {
  id: 'trust-policy-known',
  job: 'policy decision, known question, 1,000 rules',
  anchor: '',
  bar: undefined,
  limit: 2,
  needs: [],
  async run({ rounds }) {
    await using engine = await startEngine(rulesOf('heads', 1_000));
    const asked = question(1);
    const ours: number[] = [];
    const samples: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const began = cpuUs();
      for (let group = 0; group < 5_000; group += 1) {
        const from = performance.now();
        for (let at = 0; at < together; at += 1) engine.stage.decide(asked);
        samples.push(((performance.now() - from) * 1_000) / together);
      }
      ours.push((cpuUs() - began) / (5_000 * together));
    }
    const evidence = `by the clock, of means of ${together}: ${spread(samples, 'µs')}`;
    return { unit: 'µs of processor', ours, anchor: [], higherIsBetter: false, evidence };
  },
};

const sizes = [100, 1_000, 10_000] as const;

function decideAll(rules: RuleSet, count: number, samples: number[]): number {
  const began = cpuUs();
  for (let at = 0; at < count; at += 1) {
    const { op, method, resource, principal, tenant } = question(at);
    const { subject, capabilityId } = principal;
    const from = performance.now();
    rules.decide({ op, method, resource, subject, tenant, capabilityId, principalId: `${tenant}/${subject}` });
    samples.push((performance.now() - from) * 1_000);
  }
  return (cpuUs() - began) / count;
}

/** Rules without a document around them: 256 KiB, which one may have, end before 10,000 rules that say something. */
const growthRow: Row = {
  id: 'trust-policy-growth',
  job: 'policy decision, new question, 10,000 rules that their heads tell apart',
  anchor: '',
  bar: undefined,
  needs: [],
  async run({ rounds }) {
    const told: string[] = [];
    let ours: number[] = [];
    for (const kind of ['conditions', 'subjects', 'heads'] as const) {
      for (const size of sizes) {
        const text = rulesOf(kind, size);
        const from = performance.now();
        const rules = await RuleSet.create(text);
        const parsedMs = performance.now() - from;
        const samples: number[] = [];
        decideAll(rules, 500, []);
        ours = [];
        for (let round = 0; round < rounds; round += 1) ours.push(decideAll(rules, 1_000, samples));
        told.push(
          `${size} ${kind}, ${Math.round(text.length / 1_024)} KiB: ${spread(samples, 'µs')}, parsed in ${parsedMs.toFixed(0)} ms`,
        );
        rules.dispose();
      }
    }
    return { unit: 'µs of processor', ours, anchor: [], higherIsBetter: false, evidence: told.join('; ') };
  },
};

export const trustPolicyRows: readonly Row[] = [hitRow, ...newRows, growthRow];
