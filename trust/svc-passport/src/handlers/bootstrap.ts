import type { Env } from '@ron/kernel';
import type { Right } from '@ron/proto/capability';
import { RonError } from '@ron/proto/errors';
import type { Passport } from '@ron/proto/passport';
import type { Answers } from '../answers.ts';
import type { Attempts } from '../attempts.ts';
import type { Issuer } from '../issuer.ts';
import { hashOf, sameHash } from '../refresh-token.ts';
import type { PassportStore } from '../store/passport-store.ts';
import type { Meta } from '../store/records.ts';
import { checkSubject, checkText } from '../text.ts';
import type { PassportHandler } from './handler.ts';

/** What the first administrator may do: everything, in every tenant. */
const everything: readonly Right[] = [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }];
/** Compared with when there is no secret any more, so that the work is the same: the hash of nothing that fits. */
const noHash = '0'.repeat(64);

export interface BootstrapPorts {
  readonly store: PassportStore;
  readonly issuer: Issuer;
  readonly attempts: Attempts;
  readonly answers: Answers<Passport>;
  readonly env: Pick<Env, 'work'>;
}

/** A wrong secret and a used one are refused in the same words, in the same time. */
export function createBootstrap({
  store,
  issuer,
  attempts,
  answers,
  env,
}: BootstrapPorts): PassportHandler<'bootstrap'> {
  return ({ secret, subject, display_name }, { context }) => {
    const given = hashOf(env.work, secret);
    const digest = hashOf(env.work, JSON.stringify([given, subject, display_name]));
    return answers.once(['bootstrap', given, context.idempotencyKey], digest, async () => {
      // The right one never waits for those who guess: 256 bits are not found in any number of attempts.
      if (!matches(store.meta.bootstrap, given)) {
        attempts.check();
        attempts.failed();
        throw refused();
      }
      checkSubject(subject);
      if (display_name !== undefined) checkText('display_name', display_name);
      return issuer.issue(
        {
          subject,
          tenant: '',
          kind: 'user',
          rights: everything,
          displayName: display_name,
          issuedBy: 'bootstrap',
        },
        (draft) => {
          // Of two at once, the first to be stored is the administrator.
          if (!matches(draft.meta.bootstrap, given)) throw refused();
          draft.set({ bootstrap: 'used' });
        },
      );
    });
  };
}

function matches(bootstrap: Meta['bootstrap'], given: string): boolean {
  const kept = typeof bootstrap === 'object' ? bootstrap.hash : noHash;
  return sameHash(kept, given) && typeof bootstrap === 'object';
}

function refused(): RonError {
  return new RonError('forbidden', 'this secret makes no administrator');
}
