import { policyService } from '@ron/app-sdk/services';
import { checkPolicy, diffPolicies, type PolicyDifference } from '@ron/policy';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatCount, formatTime } from '../output/format.ts';
import { renderFields, renderTable } from '../output/table.ts';
import { idOfPolicy, policyOfAnswer, readPolicyFile } from '../policy/policy-file.ts';
import { hasCode } from '../refusal.ts';
import type { Session } from '../session.ts';

/** Offline: fields, and Cedar rules. */
export async function runCheck({ output }: Session, [file = '']: string[]) {
  const { document, signatures } = await readPolicyFile(file);
  const { problems, warnings, rules } = await checkPolicy(document);
  for (const warning of warnings) output.warn(warning);
  if (problems.length > 0) {
    throw new CliError(exitCodes.configuration, `${file}: ${problems.join('; ')}`, {
      why: `the policy is malformed, ${problems.length} wrong`,
      next: `\${EDITOR:-vi} ${file}`,
    });
  }
  const { version, expires_at, threshold, signers } = document;
  const policy = idOfPolicy(document);
  const signed = [...new Set(signatures.map(({ signer }) => signer))];
  const checked = { file, ok: true, policy, version, expires_at, rules, warnings, threshold, signed_by: signed };
  output.result(checked, () =>
    renderFields([
      ['policy', policy],
      ['version', String(version)],
      ['expires', formatTime(expires_at)],
      ['rules', String(rules)],
      ['the next one needs', `${threshold} of ${signers.length} signers`],
      ['signed by', signed.length === 0 ? '(nobody yet)' : `${signed.join(', ')} (not checked)`],
    ]),
  );
  return undefined;
}

/** Between two files, or with one file against what is in force at the node. Exit code 8 when the new one widens. */
export async function runDiff(session: Session, [first = '', second]: string[]) {
  const next = await readPolicyFile(second ?? first);
  const old = second === undefined ? await inForce(session) : (await readPolicyFile(first)).document;
  const difference = await diffPolicies(old, next.document);
  const widens = difference.changes.some(({ effect }) => effect === 'widens');
  session.output.result({ widens, ...difference }, () => renderDifference(session, difference));
  if (!widens) return undefined;
  const told = next.document.break_change === true;
  session.output.note(
    told
      ? `it allows more, and says so: ${next.document.reason ?? ''}`
      : 'it allows more: a node refuses it without break_change = true and a reason',
  );
  return told ? undefined : exitCodes.conflict;
}

async function inForce({ client, signal }: Session) {
  try {
    return policyOfAnswer(await client.call(policyService, 'current', {}, { signal })).document;
  } catch (thrown) {
    if (hasCode(thrown, 'not_found')) return undefined;
    throw thrown;
  }
}

const colours = { widens: 'red', tightens: 'green', neutral: 'gray' } as const;

function renderDifference({ output }: Session, { changes, decisions, samples }: PolicyDifference): string {
  if (changes.length === 0) return 'nothing changes';
  const rows = changes.map(({ what, from, to, effect }) => [
    output.paint(colours[effect], effect),
    what,
    short(from),
    short(to),
  ]);
  const titles = ['effect', 'what', 'from', 'to'].map((title) => ({ title }));
  const decided = decisions.map(
    ({ asked: { method, resource, tenant, subject, op }, before, after }) =>
      `${before} → ${after}: ${method} ${resource} by ${tenant === '' ? '' : `${tenant}/`}${subject} (${op})`,
  );
  const heading = `${formatCount(decisions.length, 'decision')} of ${samples} sample requests changes`;
  return [renderTable(titles, rows), '', heading, ...decided].join('\n');
}

const shownMax = 60;

function short(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > shownMax ? `${line.slice(0, shownMax - 1)}…` : line;
}
