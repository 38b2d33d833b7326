import { policyService } from '@ron/app-sdk/services';
import { usageError } from '../cli-error.ts';
import { formatTime } from '../output/format.ts';
import { renderFields, renderTable } from '../output/table.ts';
import { readPolicyFile } from '../policy/policy-file.ts';
import { hasCode } from '../refusal.ts';
import type { Session } from '../session.ts';

type Answer = Readonly<Record<string, unknown>>;

/** Puts a signed policy into force, or with `--propose` leaves it until enough signers have signed. */
export async function runActivate(session: Session, [file = '']: string[], flags: { propose?: boolean }) {
  const { document, signatures } = await readPolicyFile(file);
  if (signatures.length === 0) {
    throw usageError(`${file} is not signed`, `ron policy sign ${file} --key KEYFILE --out signed.json`);
  }
  const operation = flags.propose ? 'propose' : 'activate';
  const answer = await ask(session, operation, { document, signatures }, true);
  const done = (flags.propose ? answer['activated'] : answer) as Answer | undefined;
  session.output.result(answer, () =>
    done === undefined
      ? `${answer['policy']} waits: ${(answer['signers'] as string[]).length} of ${answer['threshold']} signatures`
      : `${done['policy']} is in force as version ${done['version']}, signed by ${(done['signers'] as string[]).join(', ')}`,
  );
  return undefined;
}

export async function runShow(session: Session) {
  const { output } = session;
  try {
    const answer = await ask(session, 'current', {});
    output.note(`${answer['policy']}, version ${answer['version']}, until ${formatTime(Number(answer['expires_at']))}`);
    // What `diff`, `check` and `sign` read.
    output.result(answer, () => JSON.stringify(answer['signed']));
  } catch (thrown) {
    if (!hasCode(thrown, 'not_found')) throw thrown;
    output.note('there is no policy: what a capability allows is allowed');
    output.result({ version: 0 }, () => 'none');
  }
  return undefined;
}

interface HistoryRow {
  readonly policy: string;
  readonly version: number;
  readonly activated_at: number;
  readonly reason?: string;
}

export async function runHistory(session: Session) {
  const { output } = session;
  const { policies } = (await ask(session, 'history', {})) as { readonly policies: readonly HistoryRow[] };
  if (output.json) for (const row of policies) output.result(row, () => '');
  else if (policies.length === 0) output.note('none');
  else {
    const columns = [
      { title: 'version', align: 'right' as const },
      { title: 'policy' },
      { title: 'since' },
      { title: 'reason' },
    ];
    const rows = policies.map(({ version, policy, activated_at, reason = '' }) => [
      String(version),
      policy,
      formatTime(activated_at),
      reason,
    ]);
    output.stdout.write(`${renderTable(columns, rows)}\n`);
  }
  return undefined;
}

interface ExplainFlags {
  readonly tenant?: string;
  readonly op?: string;
}

/** `ron policy explain alice write n/docs/x`. */
export async function runExplain(session: Session, [subject, method, resource]: string[], flags: ExplainFlags) {
  const { tenant, op } = flags;
  const input = {
    subject,
    method,
    resource,
    ...(tenant === undefined ? {} : { tenant }),
    ...(op === undefined ? {} : { op }),
  };
  const answer = await ask(session, 'explain', input);
  const rules = answer['rules'] as readonly { rule: string; effect: string; error?: boolean }[];
  session.output.result(answer, () =>
    renderFields([
      ['decision', String(answer['decision'])],
      ...rules.map(({ rule, effect, error }): [string, string] => [
        effect,
        `${rule}${error ? ' (could not be evaluated)' : ''}`,
      ]),
      ['why', String(answer['note'])],
    ]),
  );
  return undefined;
}

function ask({ client, signal }: Session, operation: string, input: Record<string, unknown>, mutation = false) {
  return client.call(policyService, operation, input, { signal, mutation });
}
