import type { Env } from '@ron/kernel';
import { limits, type OapCall, type OapReply } from '@ron/oap';
import type { Contract, Operation, Peer, PeerOptions } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { corrIdOf } from './corr-id.ts';

/** Sends one call, and says what of the operation decides how often that may be done. */
export type SendCall = (call: OapCall, operation: Operation) => Promise<OapReply>;

export interface PeerIdentity {
  readonly env: Pick<Env, 'clock' | 'random'>;
  /** The capability of this process for the contract that it calls; asked for on each call, so that it can be renewed. */
  readonly capability: () => Uint8Array | undefined;
}

/** A typed peer of a contract that another process serves, whatever carries the calls. */
export function oapPeer<C extends Contract>(contract: C, { env, capability }: PeerIdentity, send: SendCall): Peer<C> {
  const peer: Record<string, (input: unknown, options?: PeerOptions) => Promise<unknown>> = {};
  for (const [name, operation] of Object.entries(contract.operations)) {
    const { body } = operation;
    const sends = body === 'out' || body === 'both';
    peer[name] = async (input, { context, ...options } = {}) => {
      const call: OapCall = {
        app: contract.app,
        operation: name,
        input,
        body: options.body,
        bodyBytes: options.bodyBytes,
        capability: capability(),
        ...(context === undefined || context.tenant === '' ? {} : { tenantName: context.tenant }),
        corrId: context?.corrId ?? corrIdOf(undefined, env),
        timeoutMs: timeoutOf(operation, context?.deadlineMs, env.clock.monotonicMs()),
        traceparent: context?.traceparent,
        idempotencyKey: options.idempotencyKey,
        signal: context?.signal,
      };
      const reply = await send(call, operation);
      return sends ? { output: reply.output, body: reply.body } : reply.output;
    };
  }
  return peer as unknown as Peer<C>;
}

/** The callee's own limit at most: one that does not keep it, or does not answer at all, must not hold its callers. */
function timeoutOf(
  { body, limits: own }: Operation,
  deadlineMs = Number.POSITIVE_INFINITY,
  nowMs: number,
): number | undefined {
  const takes = body === 'in' || body === 'both';
  const ownMs = own?.timeoutMs ?? (takes ? Number.POSITIVE_INFINITY : limits.controlRequestTimeoutMs);
  const leftMs = deadlineMs - nowMs;
  if (leftMs <= 0) throw new RonError('deadline_exceeded', 'the call did not finish in time');
  const timeoutMs = Math.min(leftMs, ownMs);
  return Number.isFinite(timeoutMs) ? timeoutMs : undefined;
}
