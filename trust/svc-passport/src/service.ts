import type { Authority } from '@ron/auth';
import type { Kms } from '@ron/kms';
import type { Right } from '@ron/proto/capability';
import { type Passport, passportContract } from '@ron/proto/passport';
import { defineService, type Ports } from '@ron/service';
import { Answers } from './answers.ts';
import { Attempts } from './attempts.ts';
import { PassportConfig } from './config.ts';
import { enforce } from './enforcing.ts';
import { createBootstrap } from './handlers/bootstrap.ts';
import { createIssue } from './handlers/issue.ts';
import { createIssueService } from './handlers/issue-service.ts';
import { createKeys } from './handlers/keys.ts';
import { createList } from './handlers/list.ts';
import { createProfile } from './handlers/profile.ts';
import { createRefresh } from './handlers/refresh.ts';
import { createRevocations } from './handlers/revocations.ts';
import { createRevoke } from './handlers/revoke.ts';
import { Issuer } from './issuer.ts';
import { measure } from './meters.ts';
import { refreshKeys } from './refresh-token.ts';
import { Refresher } from './refresher.ts';
import { Revoker } from './revoker.ts';
import type { PassportStore } from './store/passport-store.ts';
import { keepSwept } from './sweeping.ts';

export { PassportConfig } from './config.ts';
export { openPassportStore, type PassportStore } from './store/passport-store.ts';
export { type PassportTable, type PassportValue, passportTableLimits } from './store/records.ts';

/** Chosen by the profile, which closes the store's table and the keystore after the service has stopped. */
export interface PassportEngines {
  readonly authority: Authority;
  readonly kms: Kms;
  readonly passports: PassportStore;
  /** By a service's name, what its contract's `uses` need: `rightsFor` of each. */
  readonly serviceRights: ReadonlyMap<string, readonly Right[]>;
}

type PassportPorts = Ports<PassportConfig, Record<never, never>, PassportEngines>;

/** Passports: contract in @ron/proto/passport, configuration table `passport`. */
export const passport = defineService({
  contract: passportContract,
  config: PassportConfig,
  uses: {},
  async start({ config, engines, env, metrics, log }: PassportPorts) {
    const { authority, kms, passports: store, serviceRights } = engines;
    if (kms.currentKey(refreshKeys) === undefined) await kms.createKey(refreshKeys);
    const refreshKid = () => kms.currentKey(refreshKeys)!.kid;
    const enforcing = enforce(authority.revocations, store.feed);
    const sweeping = keepSwept(store, env.clock, log, () => config.current().revocations_max);
    const meters = measure(metrics, store);
    const current = () => config.current();
    const { issued, reuses } = meters;
    const ports = { authority, kms, store, env, log, issued, reuses, refreshKid, config: current };
    const issuer = new Issuer(ports);
    const answers = new Answers<Passport>(env.clock);
    const refresher = new Refresher({ ...ports, answers, issuer, ttlMaxS: () => current().ttl_max_s });
    const revoker = new Revoker({ store, kms, clock: env.clock, revocationsMax: () => current().revocations_max });
    const attempts = new Attempts(env.clock, () => current().bootstrap_failures_max);
    return {
      handlers: {
        bootstrap: createBootstrap({ store, issuer, attempts, answers, env }),
        issue: createIssue(issuer, answers, env),
        issue_service: createIssueService(issuer, serviceRights, answers, env),
        refresh: createRefresh(refresher),
        revoke: createRevoke(revoker),
        revocations: createRevocations(store.feed, env.clock),
        profile: createProfile(store),
        list: createList(store),
        keys: createKeys(kms, store.feed, env.work),
      },
      gates: () => [
        store.failed === undefined
          ? { gate: 'passport-writable', ok: true }
          : { gate: 'passport-writable', ok: false, reason: store.failed },
      ],
      async [Symbol.asyncDispose]() {
        for (const each of [sweeping, answers, meters, enforcing]) each[Symbol.dispose]();
      },
    };
  },
});
