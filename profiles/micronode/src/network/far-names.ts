import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { indexContract, namesAskedMax } from '@ron/proto/names';
import type { Contact, NodeId } from '@ron/proto/network';
import type { FarAnswer, FarName, FarQuestion, NamesElsewhere } from '@ron/svc-index/service';
import type { NodeLinks } from '@ron/transport';

/** For one node's answer. */
const answerMs = 2_000;
/** For which a name that was found is answered again without asking, as long as who gave it is trusted: as long as a missing one is remembered. */
const freshMs = 2_000;
const keptMax = 4_096;

interface Kept {
  readonly found: FarName;
  readonly from: NodeId;
  readonly atMs: number;
}

export interface FarNamePorts {
  readonly links: Pick<NodeLinks, 'call'>;
  /** Nodes that are present and believed, in the operator's order. */
  readonly trusted: () => readonly Contact[];
  readonly clock: Clock;
}

/**
 * Names that trusted nodes keep. All are asked at once; of those who have the name, the one that the operator listed first is
 * believed. Versions of two nodes are never compared: each counts its own.
 */
export class FarNames implements NamesElsewhere {
  readonly #ports: FarNamePorts;
  /** By `whole` and path, the one asked for longest ago first. */
  readonly #kept = new Map<string, Kept>();

  constructor(ports: FarNamePorts) {
    this.#ports = ports;
  }

  /** Rejects with `unavailable` when nobody has it and one who comes into question did not answer. */
  async find(path: string, { whole, fresh, signal }: FarQuestion): Promise<FarName | undefined> {
    const key = `${whole ? '=' : '<'}${path}`;
    const kept = fresh ? undefined : this.#keptUnder(key);
    if (kept !== undefined) return kept;
    let silent: unknown;
    // In the operator's order: who comes later is waited for only when those before have not got it.
    for (const asking of this.#ask(path, whole, signal)) {
      const { node, outcome, found, error } = await asking;
      silent ??= error;
      if (outcome !== 'found' || found === undefined) continue;
      this.#keep(key, found, node.id);
      return found;
    }
    this.#kept.delete(key);
    if (silent === undefined) return undefined;
    throw new RonError('unavailable', 'a node that may have the name does not answer', {
      cause: silent,
      retryAfterMs: 1_000,
    });
  }

  trace(path: string, signal: AbortSignal): Promise<readonly FarAnswer[]> {
    return Promise.all(this.#ask(path, false, signal));
  }

  #ask(path: string, whole: boolean, signal: AbortSignal): Promise<FarAnswer>[] {
    const { links, trusted, clock } = this.#ports;
    return trusted()
      .slice(0, namesAskedMax)
      .map(async (node): Promise<FarAnswer> => {
        const beganMs = clock.monotonicMs();
        const end = () => ({ node, tookMs: clock.monotonicMs() - beganMs });
        try {
          const found = await ask(links, node, path, whole, signal);
          if (found === undefined) return { ...end(), outcome: 'missing' };
          return { ...end(), outcome: isCurrent(found, clock) ? 'found' : 'expired', found };
        } catch (error) {
          return { ...end(), outcome: 'failed', error };
        }
      });
  }

  #keptUnder(key: string): FarName | undefined {
    const { trusted, clock } = this.#ports;
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const ageMs = clock.monotonicMs() - kept.atMs;
    if (ageMs >= freshMs || !isCurrent(kept.found, clock) || !trusted().some(({ id }) => id === kept.from)) {
      this.#kept.delete(key);
      return undefined;
    }
    return { ...kept.found, ageMs: kept.found.ageMs + ageMs };
  }

  #keep(key: string, found: FarName, from: NodeId): void {
    this.#kept.delete(key);
    this.#kept.set(key, { found, from, atMs: this.#ports.clock.monotonicMs() });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= keptMax) break;
      this.#kept.delete(oldest);
    }
  }
}

function isCurrent({ record }: FarName, clock: Clock): boolean {
  return (record.expires_at ?? Number.POSITIVE_INFINITY) > clock.wallMs();
}

async function ask(
  links: Pick<NodeLinks, 'call'>,
  to: Contact,
  path: string,
  whole: boolean,
  signal: AbortSignal,
): Promise<FarName | undefined> {
  const options = { timeoutMs: answerMs, signal };
  try {
    const { output } = await links.call(indexContract, to, 'match', { path }, options);
    if (whole && output.rest !== '') return undefined;
    const { providers: _, freshness_ms: ageMs, source: __, ...record } = output.record;
    const of = output.rest === '' ? record.name : `${record.name}/${output.rest}`;
    if (of !== path) throw new RonError('integrity', 'a node answered with another name than it was asked for');
    return { record, rest: output.rest, ageMs };
  } catch (error) {
    if (error instanceof RonError && (error.code === 'not_found' || error.code === 'forbidden')) return undefined;
    throw error;
  }
}
