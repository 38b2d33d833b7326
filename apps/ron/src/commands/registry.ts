import { readFile } from 'node:fs/promises';
import { registryService } from '@ron/app-sdk/services';
import type { ProposalState } from '@ron/proto/registry';
import { CliError, usageError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatTime } from '../output/format.ts';
import { renderFields, renderTable } from '../output/table.ts';
import type { Session } from '../session.ts';
import { parseDurationMs } from '../values/duration.ts';
import { parseWholeNumber } from '../values/whole-number.ts';

const versionMax = Number.MAX_SAFE_INTEGER;

export async function runHead({ client, output, signal }: Session) {
  const head = await client.registry.head({ signal });
  output.note(`version ${head.version}, ${formatTime(head.issued_at)}, until ${formatTime(head.expires_at)}`);
  output.result(head, () => head.id);
  return undefined;
}

/** The document byte for byte: a version, a proposal (`b3:…`), or the newest. */
export async function runShow({ client, output, signal }: Session, [which]: string[]) {
  const document = which?.startsWith('b3:')
    ? await client.registry.proposal(which, { signal })
    : await client.registry.snapshot(
        which === undefined
          ? (await client.registry.head({ signal })).version
          : parseWholeNumber(which, 'version', 1, versionMax),
        { signal },
      );
  output.note(`version ${document.version}, ${document.id}`);
  output.stdout.write(document.text.endsWith('\n') ? document.text : `${document.text}\n`);
  return undefined;
}

export interface ProposeFlags {
  readonly set?: readonly string[];
  readonly remove?: readonly string[];
  readonly revokeSigner?: readonly string[];
  readonly changes?: string;
  readonly expires?: string;
}

export async function runPropose(session: Session, _args: string[], flags: ProposeFlags) {
  const { client, signal } = session;
  const changes = [
    ...(flags.changes === undefined ? [] : await readList(flags.changes)),
    ...(await Promise.all((flags.set ?? []).map(async (path) => ({ set: await readJson(path) })))),
    ...(flags.remove ?? []).map((remove) => ({ remove })),
    ...(flags.revokeSigner ?? []).map((revoke_signer) => ({ revoke_signer })),
  ];
  // Against what this command saw: somebody else's commit in between is a conflict, not a surprise.
  const { version } = await client.registry.head({ signal });
  const expires = flags.expires === undefined ? {} : { expires_at: Date.now() + parseDurationMs(flags.expires) };
  const input = { changes, expected_version: version, ...expires };
  return showState(session, await ask(session, 'propose', input, true));
}

export async function runProposals(session: Session) {
  const { output } = session;
  const { proposals } = (await ask(session, 'proposals', {})) as {
    readonly proposals: readonly ProposalState[];
  };
  if (output.json) for (const proposal of proposals) output.result(proposal, () => '');
  else if (proposals.length === 0) output.note('none');
  else {
    const columns = ['proposal', 'version', 'approvals', 'by'].map((title) => ({ title }));
    const rows = proposals.map(({ proposal, version, approvals, threshold, proposed_by, stale }) => [
      proposal,
      stale ? `${version} (stale)` : String(version),
      `${approvals} of ${threshold}`,
      proposed_by,
    ]);
    output.stdout.write(`${renderTable(columns, rows)}\n`);
  }
  return undefined;
}

interface ApproveFlags {
  readonly key?: string;
  readonly name?: string;
  readonly asNode?: boolean;
}

/** Signs what the node shows for the proposal, once it is certain that it is that very document. */
export async function runApprove(session: Session, [proposal = '']: string[], { key, name, asNode }: ApproveFlags) {
  if ((key === undefined) === (asNode !== true)) {
    throw usageError('say who approves: --key FILE or --as-node', 'ron registry approve --help');
  }
  if (key === undefined) return showState(session, await ask(session, 'approve', { proposal, as_node: true }, true));
  const { signProposal } = await import('../registry/sign-proposal.ts');
  const { text } = await session.client.registry.proposal(proposal, { signal: session.signal });
  const signatures = signProposal(text, proposal, key, name);
  return showState(session, await ask(session, 'approve', { proposal, signatures }, true));
}

export async function runCommit(session: Session, [proposal = '']: string[]) {
  const head = await ask(session, 'commit', { proposal }, true);
  session.output.result(head, () => `version ${head['version']} is in force: ${head['id']}`);
  return undefined;
}

function ask({ client, signal }: Session, operation: string, input: Record<string, unknown>, mutation = false) {
  return client.call(registryService, operation, input, { signal, mutation });
}

function showState({ output }: Session, answer: object): undefined {
  const { proposal, version, approvals, threshold, approved_by, ready, open_until, ...more } = answer as ProposalState;
  const added =
    more.new_threshold === undefined ? '' : `, and ${more.new_approvals} of ${more.new_threshold} of the new signers`;
  output.note(
    renderFields([
      ['version', String(version)],
      ['approved by', approved_by.join(', ') || '(nobody)'],
      ['approvals', `${approvals} of ${threshold}${added}`],
      ['open until', formatTime(open_until)],
      ['next', ready ? `ron registry commit ${proposal}` : `ron registry approve ${proposal} --key FILE`],
    ]),
  );
  output.result(answer, () => proposal);
  return undefined;
}

async function readList(path: string): Promise<readonly unknown[]> {
  const list = await readJson(path);
  if (Array.isArray(list)) return list;
  throw usageError(`${path}: changes are a list, as [{"remove":"node/a"}]`, 'ron registry propose --help');
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CliError(exitCodes.usage, `${path} is not JSON`, { why: 'usage', next: `\${EDITOR:-vi} ${path}`, cause });
  }
}
