import type { Env } from '@ron/kernel';
import type { Handlers } from '@ron/proto/contract';
import { type TrustState, type trustContract, trustLimits } from '@ron/proto/trust';
import { uuidV7 } from '@ron/service';
import { encodeSigned } from '@ron/signed';
import type { TrustEngines } from '../service.ts';

/** Followers ask twice a second: what has not changed is not sent again. */
export function createState(engines: TrustEngines, env: Env): Handlers<typeof trustContract>['state'] {
  // Another run of this process may count the keystore's generations from the same number.
  const run = uuidV7(env);
  return ({ known }) => {
    const revision = revisionOf(run, engines);
    return known === revision ? { revision } : { revision, state: stateOf(engines) };
  };
}

function revisionOf(run: string, { chains, policy, log, names }: TrustEngines): string {
  return JSON.stringify([run, chains.generation, names.owner, policy.current()?.id, failureOf(log.failure)]);
}

function stateOf({ chains, policy, log, names }: TrustEngines): TrustState {
  const active = policy.current();
  const failure = failureOf(log.failure);
  return {
    keys: chains.usable().map(({ scheme, kid }) => ({ scheme, kid })),
    names_key: names.owner,
    ...(active && {
      policy: { policy: active.id, activated_at: active.activatedMs, signed: encodeSigned(active.signed) },
    }),
    ...(failure === undefined ? {} : { audit_failure: failure }),
  };
}

function failureOf(failure: string | undefined): string | undefined {
  return failure?.slice(0, trustLimits.textMax);
}
