/** What the command line of a simulation asks for. */
export interface SimArgs<Canary extends string> {
  readonly seeds: readonly number[];
  readonly canary: Canary | undefined;
  readonly trace: boolean;
  /** A run of many seeds also requires that every fault fired and that the canaries are caught. */
  readonly complete: boolean;
}

export interface SimCommand<Canary extends string> {
  /** The file that is run. */
  readonly path: string;
  /** Deliberately broken builds that the checkers have to catch. */
  readonly canaries: readonly Canary[];
  readonly seedsDefault: number;
  /** With fewer seeds some faults are right to be absent. */
  readonly completeFrom: number;
}

export function usageOf({ path, canaries, seedsDefault }: SimCommand<string>): string {
  return `usage: node ${path} [--seeds N] [--start K] [--seed N] [--trace] [--canary ${canaries.join('|')}]

  --seeds N   N seeds from --start on (default ${seedsDefault} from 1), with the coverage and canary checks
  --seed N    this seed only, run twice; replays a failure
  --trace     what happened, line by line, on standard error
`;
}

/** Throws `RangeError` with the reason. */
export function parseArgs<Canary extends string>(
  argv: readonly string[],
  { canaries, seedsDefault, completeFrom }: SimCommand<Canary>,
): SimArgs<Canary> {
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
  const named = values.get('--canary');
  const canary = canaries.find((one) => one === named);
  if (named !== canary) throw new RangeError(`no canary ${named}`);
  const single = values.has('--seed');
  const count = single ? 1 : number('--seeds', seedsDefault);
  const start = single ? number('--seed', 1) : number('--start', 1);
  return {
    seeds: Array.from({ length: count }, (_, index) => start + index),
    canary,
    trace: values.has('--trace'),
    complete: !single && canary === undefined && count >= completeFrom,
  };
}
