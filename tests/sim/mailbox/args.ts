import { type Canary, canaries } from './canaries.ts';

/** What the command line asks for. */
export interface SimArgs {
  readonly seeds: readonly number[];
  readonly canary: Canary | undefined;
  readonly trace: boolean;
  /** A run of many seeds also requires that every fault fired and that the canaries are caught. */
  readonly complete: boolean;
}

/** With fewer seeds some faults are right to be absent. */
const completeFrom = 200;

export const usage = `usage: node tests/sim/mailbox/main.ts [--seeds N] [--start K] [--seed N] [--trace] [--canary ${canaries.join('|')}]

  --seeds N   N seeds from --start on (default 1000 from 1), with the coverage and canary checks
  --seed N    this seed only, run twice; replays a failure
  --trace     what happened, line by line, on standard error
`;

/** Throws `RangeError` with the reason. */
export function parseArgs(argv: readonly string[]): SimArgs {
  const values = new Map<string, string>();
  for (let at = 0; at < argv.length; at++) {
    const flag = argv[at]!;
    if (flag === '--trace') values.set(flag, '');
    else if (['--seeds', '--start', '--seed', '--canary'].includes(flag)) values.set(flag, argv[++at] ?? '');
    else throw new RangeError(`unknown argument ${flag}`);
  }
  const number = (flag: string, fallback: number): number => {
    const text = values.get(flag);
    if (text === undefined) return fallback;
    if (!/^[0-9]{1,9}$/.test(text)) throw new RangeError(`${flag} takes a whole number`);
    return Number(text);
  };
  const canary = values.get('--canary');
  if (canary !== undefined && !canaries.includes(canary as Canary)) throw new RangeError(`no canary ${canary}`);
  const single = values.has('--seed');
  const count = single ? 1 : number('--seeds', 1_000);
  const start = single ? number('--seed', 1) : number('--start', 1);
  return {
    seeds: Array.from({ length: count }, (_, index) => start + index),
    canary: canary as Canary | undefined,
    trace: values.has('--trace'),
    complete: !single && canary === undefined && count >= completeFrom,
  };
}
