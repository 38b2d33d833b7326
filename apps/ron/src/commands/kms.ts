import { kmsService } from '@ron/app-sdk/services';
import type { DestructionStatement, KeyEntry } from '@ron/proto/kms';
import { usageError } from '../cli-error.ts';
import { formatTime } from '../output/format.ts';
import { printRows } from '../output/streamed-table.ts';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';

interface ListFlags {
  readonly tenant?: string;
  readonly purpose?: string;
}

export async function runList(session: Session, _args: string[], flags: ListFlags) {
  const columns = [{ title: 'kid' }, { title: 'state' }, { title: 'since' }];
  await printRows(session.output, columns, keys(session, flags), (key) => ({
    cells: [key.kid, key.state, formatTime(key.created_at)],
    json: key,
  }));
  return undefined;
}

async function* keys(session: Session, { tenant, purpose }: ListFlags): AsyncGenerator<KeyEntry> {
  const filter = { ...(tenant === undefined ? {} : { tenant }), ...(purpose === undefined ? {} : { purpose }) };
  let cursor: string | undefined;
  do {
    const input = cursor === undefined ? filter : { ...filter, cursor };
    const page = (await ask(session, 'list', input)) as { keys: KeyEntry[]; cursor?: string };
    yield* page.keys;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

interface CreateFlags {
  readonly alg: string;
  readonly tenant?: string;
}

export async function runCreate(session: Session, [purpose = '']: string[], { alg, tenant }: CreateFlags) {
  const input = { purpose, alg, ...(tenant === undefined ? {} : { tenant }) };
  return showKey(session, await ask(session, 'create', input, true));
}

export async function runRotate(session: Session, [kid = '']: string[]) {
  return showKey(session, await ask(session, 'rotate', { kid }, true));
}

export interface EndFlags {
  readonly evenActive?: boolean;
  readonly yes?: boolean;
}

export async function runRetire(session: Session, [kid = '']: string[], flags: EndFlags) {
  return showKey(session, await ask(session, 'retire', { kid, ...evenActive(flags) }, true));
}

/** What it sealed is gone with it, so it is said twice. */
export async function runDestroy(session: Session, [kid = '']: string[], flags: EndFlags) {
  if (!flags.yes) {
    throw usageError(
      `what was sealed or tagged with ${kid} is lost for good: say --yes`,
      `${session.command} ${kid} --yes`,
    );
  }
  const statement = (await ask(session, 'destroy', { kid, ...evenActive(flags) }, true)) as DestructionStatement;
  session.output.result(statement, () =>
    renderFields([
      ['destroyed', statement.kid],
      ['at', formatTime(statement.destroyed_at)],
      ['fingerprint', statement.fingerprint],
      ['signed by', statement.signer],
    ]),
  );
  return undefined;
}

export async function runPublic(session: Session, [kid = '']: string[]) {
  const answer = await ask(session, 'public_key', { kid });
  session.output.result(answer, () => String(answer['public_key_base64']));
  return undefined;
}

function evenActive({ evenActive }: EndFlags) {
  return evenActive ? { even_active: true } : {};
}

function ask({ client, signal }: Session, operation: string, input: Record<string, unknown>, mutation = false) {
  return client.call(kmsService, operation, input, { signal, mutation });
}

function showKey({ output }: Session, answer: object): undefined {
  const { kid, state, created_at } = answer as KeyEntry;
  output.note(`${state}, since ${formatTime(created_at)}`);
  output.result(answer, () => kid);
  return undefined;
}
