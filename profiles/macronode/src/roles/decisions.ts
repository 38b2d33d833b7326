import {
  type Authenticator,
  createAuthenticator,
  createRevocationFollower,
  createVerifier,
  Strangers,
} from '@ron/auth';
import { sleep } from '@ron/kernel';
import { underPolicy } from '@ron/micronode/policy-overlay';
import { passportContract } from '@ron/proto/passport';
import { trustContract } from '@ron/proto/trust';
import type { FollowedTrust } from '@ron/svc-trust/service';
import { followTrust } from '@ron/svc-trust/service';
import type { RoleParts } from '../process/parts.ts';

/** What decides about calls of clients in a process without keys, policy and log of its own. */
export interface Decisions {
  readonly trust: FollowedTrust;
  readonly authenticator: Authenticator;
}

const firstHeardMsMax = 5_000;

export async function openDecisions(parts: RoleParts): Promise<Decisions> {
  const { env, config, log, metrics, stack } = parts;
  const pool = parts.pool('trust');
  const trust = stack.use(await followTrust({ env, log, metrics, peer: pool.peer(trustContract) }));
  const refused = metrics.counter('capability_refused_total', 'Capabilities that were not accepted', ['reason']);
  const verifier = createVerifier(trust.chains, {
    env,
    audience: config.table('server').current().audience,
    strangers: new Strangers(env.clock),
    onRefusal: (reason, capability_id) => {
      refused.labels({ reason }).inc();
      log.info({ reason, capability_id }, 'capability refused');
    },
  });
  const passport = pool.peer(passportContract);
  const heard = Promise.withResolvers<void>();
  const follower = stack.use(
    createRevocationFollower({
      source: { since: (since, wait_ms) => passport.revocations({ since, wait_ms }) },
      list: verifier.revocations,
      env,
      onState: (state) => {
        log.info({ state }, 'revocation feed');
        heard.resolve();
      },
      onFault: (err) => log.warn({ err }, 'the revocation feed failed: asked again'),
    }),
  );
  await Promise.race([heard.promise, sleep(env.clock, firstHeardMsMax)]);
  const gateway = underPolicy(config.table('gateway'), trust.policy);
  const authenticator = createAuthenticator({
    authority: verifier,
    publicPrefixes: () => gateway.current().public_prefixes,
    revocationFeed: follower,
  });
  return { trust, authenticator };
}
