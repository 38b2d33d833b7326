import { run } from '../../support/child-process.ts';
import { findProgram } from '../../support/programs.ts';
import type { Target } from '../target/target.ts';

/** A node takes 64 from one address. */
const connections = 48;

/**
 * What wrk, a closed loop in C, gets from one object of 64 KiB: a second opinion on the generator, not on latency, as each of
 * its connections waits for its answer. Undefined when it is not installed.
 */
export async function askWrk(target: Target, seconds: number): Promise<string | undefined> {
  const wrk = findProgram('wrk');
  if (wrk === undefined) return undefined;
  const url = `${target.url}/o/${target.seeded.objects['64 KiB'].addresses[0]}`;
  const flags = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`];
  const { stdout } = await run(wrk, [...flags, '-H', `Authorization: Bearer ${target.capability}`, url]);
  const text = stdout.toString('utf8');
  const perSecond = /Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? '?';
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? '0';
  return `${Math.round(Number(perSecond))} answers/s, ${refused} of them refusals`;
}
