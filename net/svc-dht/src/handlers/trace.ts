import { parseAddress } from '@ron/naming';
import type { Handlers } from '@ron/proto/contract';
import { type dhtContract, dhtLimits, type ProviderRecord, type TraceProvider, type TraceStep } from '@ron/proto/dht';
import { RonError } from '@ron/proto/errors';
import { type DhtNode, isSilence } from '../dht-node.ts';
import { pointBits, sharedBits } from '../distance.ts';
import { keyOfAddress } from '../key.ts';
import type { Candidate } from '../lookup-path.ts';
import { type Answer, findProviders, type SearchWatch } from '../search.ts';
import { judgeOf, type MayTrustOf, wantDefault } from './locate.ts';

/** The search that `locate` makes, with its way. */
export function createTrace(node: DhtNode, mayTrust?: MayTrustOf): Handlers<typeof dhtContract>['trace'] {
  return async ({ address, want = wantDefault }) => {
    const key = keyOfAddress(parseAddress(address), node.ports.blake3);
    const trace = new Trace(node, key);
    const { tookMs } = await findProviders(node, key, want, judgeOf(mayTrust, address), trace);
    return {
      self: node.id,
      key,
      network_size: Math.round(node.sizeEstimate),
      region_bits: node.regionBits,
      took_ms: Math.round(tookMs),
      steps: trace.steps.map((step) => ({ ...step })),
      providers: [...trace.providers],
    };
  };
}

type Step = { -readonly [K in keyof TraceStep]: TraceStep[K] };

class Trace implements SearchWatch {
  readonly steps: Step[] = [];
  readonly providers: TraceProvider[] = [];
  readonly #node: DhtNode;
  readonly #key: string;
  readonly #beganMs: number;

  constructor(node: DhtNode, key: string) {
    this.#node = node;
    this.#key = key;
    this.#beganMs = node.ports.clock.monotonicMs();
  }

  asked({ contact, depth, via }: Candidate, answer: Promise<Answer>): void {
    if (this.steps.length >= dhtLimits.traceStepsMax) return;
    const step: Step = {
      node: contact,
      hop: depth,
      ...(via === undefined ? {} : { via }),
      distance_bits: pointBits - sharedBits(contact.id, this.#key),
      at_ms: this.#nowMs(),
      outcome: 'waiting',
    };
    this.steps.push(step);
    const end = (outcome: Step['outcome']) => {
      step.outcome = outcome;
      step.took_ms = this.#nowMs() - step.at_ms;
    };
    answer.then(
      ({ records, contacts }) => {
        end('answered');
        step.records = records.length;
        step.contacts = contacts.length;
      },
      (error: unknown) => {
        end(isSilence(error) ? 'silent' : 'refused');
        step.code = error instanceof RonError ? error.code : 'internal';
      },
    );
  }

  found(
    { provider, issued_at, expires_at }: ProviderRecord,
    from: Candidate | undefined,
    trusted: boolean | undefined,
  ) {
    this.providers.push({
      provider,
      ...(from === undefined ? {} : { from: from.contact.id }),
      at_ms: this.#nowMs(),
      issued_at,
      expires_at,
      challenge: trusted === undefined ? 'none' : trusted ? 'passed' : 'failed',
    });
  }

  #nowMs(): number {
    return Math.round(this.#node.ports.clock.monotonicMs() - this.#beganMs);
  }
}
