import { parseArgs } from 'node:util';
import { scenarioKinds } from './kinds.ts';
import { jsonOf, svgOf, tableOf } from './output.ts';
import type { ScenarioArgs } from './scenario.ts';
import { readScenario, writeChart } from './scenario-files.ts';

const usage = `usage: npm run sim -- --scenario NAME [--nodes N] [--seed N] [--wire] [--canary NAME] [--json] [--svg FILE]

  NAME      a file of tests/sim/network/scenarios, or the path of one that ends with .json
  --wire    every message through JSON and its contract's schemas; for small networks
  --canary  a deliberately broken build, which the run has to catch
  --svg     how what was measured is distributed
`;

/** Exit code 1 when something does not hold that must, 2 for a command line that is not understood. */
export async function simulateNetwork(argv: readonly string[]): Promise<void> {
  try {
    const { args, json, svg } = parse(argv);
    const file = readScenario(args.scenario);
    const kind = scenarioKinds[String((file as { kind?: unknown }).kind)];
    if (kind === undefined) throw new RangeError(`${args.scenario} is no scenario of a known kind`);
    const run = await kind();
    const result = await run(file, args);
    process.stdout.write(json ? jsonOf(result) : tableOf(result));
    if (svg !== undefined) writeChart(svg, svgOf(`${args.scenario}, seed ${args.seed}`, result));
    process.exitCode = result.verdicts.every(({ ok }) => ok) ? 0 : 1;
  } catch (error) {
    const told = error instanceof RangeError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    process.stderr.write(told ? `${(error as Error).message}\n${usage}` : `${(error as Error).stack}\n`);
    process.exitCode = 2;
  }
}

function parse(argv: readonly string[]) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      scenario: { type: 'string' },
      nodes: { type: 'string' },
      seed: { type: 'string', default: '1' },
      wire: { type: 'boolean', default: false },
      canary: { type: 'string' },
      json: { type: 'boolean', default: false },
      svg: { type: 'string' },
    },
  });
  const args: ScenarioArgs = {
    scenario: values.scenario ?? '',
    seed: wholeNumber('seed', values.seed),
    nodes: values.nodes === undefined ? undefined : wholeNumber('nodes', values.nodes),
    wire: values.wire,
    canary: values.canary,
  };
  return { args, json: values.json, svg: values.svg };
}

function wholeNumber(flag: string, text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new RangeError(`--${flag} takes a whole number`);
  return Number(text);
}
