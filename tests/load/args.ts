import { parseArgs } from 'node:util';
import type { ArrivalKind } from './generator/schedule.ts';
import { isMixName, type MixName, mixes } from './target/mixes.ts';

export interface LoadArgs {
  readonly names: readonly string[];
  readonly quick: boolean;
  readonly list: boolean;
  readonly help: boolean;
  readonly seed: number;
  readonly mix: MixName | undefined;
  readonly arrivals: ArrivalKind;
  readonly persist: boolean;
  /** A running node instead of one of our own. */
  readonly url: string | undefined;
  readonly cap: string;
  /** Instead of a search for it. */
  readonly saturation: number | undefined;
  readonly out: string | undefined;
  /** Of a generator; a node takes 1,024 and the probes need some. */
  readonly connections: number;
}

export const usage = `usage: npm run load -- [NAME…] [--quick] [--list]

  --quick             a few seconds for each scenario: shows that it works, measures little
  --seed N            of arrivals, keys and contents; printed with the result (default: drawn)
  --mix NAME          ${Object.keys(mixes).join(', ')}; default: each scenario's own
  --constant          arrivals at equal distances instead of Poisson's
  --persist           nodes on disk instead of in memory
  --saturation N      requests/s, instead of a search for it
  --connections N     of each generator at most, default 768
  --url URL --cap C   a running node with its owner's capability (or RON_NODE_URL and RON_CAP with --attach)
  --attach            the node of RON_NODE_URL and RON_CAP
  --out DIR           where plots and JSON go; default: a new temporary folder
`;

/** Throws `RangeError` or `TypeError` with the reason. */
export function parseLoadArgs(argv: readonly string[], environment: NodeJS.ProcessEnv, drawn: number): LoadArgs {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      seed: { type: 'string' },
      mix: { type: 'string' },
      constant: { type: 'boolean', default: false },
      persist: { type: 'boolean', default: false },
      url: { type: 'string' },
      cap: { type: 'string' },
      attach: { type: 'boolean', default: false },
      saturation: { type: 'string' },
      connections: { type: 'string' },
      out: { type: 'string' },
    },
  });
  const { mix, quick, list, help, persist, out } = values;
  if (mix !== undefined && !isMixName(mix))
    throw new RangeError(`--mix ${mix}: one of ${Object.keys(mixes).join(', ')}`);
  const url = values.url ?? (values.attach ? environment['RON_NODE_URL'] : undefined);
  if (values.attach && url === undefined) throw new RangeError('--attach: RON_NODE_URL is not set');
  const cap = values.cap ?? (url === undefined ? '' : environment['RON_CAP']) ?? '';
  if (url !== undefined && cap === '') throw new RangeError('--url needs --cap or RON_CAP: tenants are made with it');
  return {
    names: positionals,
    quick,
    list,
    help,
    seed: wholeNumber('--seed', values.seed, 0, 2 ** 31) ?? drawn,
    mix,
    arrivals: values.constant ? 'constant' : 'poisson',
    persist,
    url: url?.replace(/\/$/, ''),
    cap,
    saturation: wholeNumber('--saturation', values.saturation, 10, 10_000_000),
    out,
    connections: wholeNumber('--connections', values.connections, 1, 10_000) ?? 768,
  };
}

export function wholeNumber(flag: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^[0-9]{1,10}$/.test(text) || value < min || value > max) {
    throw new RangeError(`${flag} takes a whole number from ${min} to ${max}`);
  }
  return value;
}
