import { dhtService } from '@ron/app-sdk/services';
import { isAddress } from '@ron/naming';
import { CliError } from '../cli-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { formatDuration, formatTime } from '../output/format.ts';
import { printable } from '../output/printable.ts';
import { renderFields, renderTable } from '../output/table.ts';
import { askNetwork, type NameTrace, type SearchTrace } from '../remote/network.ts';
import type { Session } from '../session.ts';

/** Hex digits of an id in the tables. */
const shortDigits = 12;

/** Exit code 3 when the name is nowhere, or nobody is known to have the object. */
export async function runTrace(session: Session, [text = '']: string[]): Promise<ExitCode | undefined> {
  const name = isAddress(text) ? undefined : await askName(session, text);
  const address = name === undefined ? text : name.record?.address;
  const object = address === undefined ? undefined : await askObject(session, address, name !== undefined);
  const shown = {
    ...(name === undefined ? {} : { name }),
    ...(object === undefined ? {} : { object: { address, ...object } }),
  };
  session.output.result(shown, () => {
    const parts = [name && renderName(text, name), address && object && renderObject(address, object)];
    return parts.filter((part) => part !== undefined && part !== '').join('\n\n');
  });
  const isFound = name === undefined ? object!.providers.some(isBelieved) : name.record !== undefined;
  return isFound ? undefined : exitCodes.notFound;
}

async function askName(session: Session, path: string): Promise<NameTrace> {
  return (await session.client.node.traceName(path, { signal: session.signal })) as NameTrace;
}

/** Of a node that is alone, a name still says something: then what would be asked of others is left out. */
async function askObject(session: Session, address: string, isExtra: boolean): Promise<SearchTrace | undefined> {
  try {
    return (await askNetwork(session, dhtService, 'trace', { address })) as SearchTrace;
  } catch (thrown) {
    if (!isExtra || !(thrown instanceof CliError)) throw thrown;
    session.output.note(`${thrown.message}: nobody is asked for the object`);
    return undefined;
  }
}

function renderName(path: string, { record, rest = '', asked, believed }: NameTrace): string {
  const fields: [string, string][] = [['name', record?.name ?? path]];
  if (rest !== '') fields.push(['rest of path', printable(rest)]);
  if (record === undefined) {
    fields.push(['found', asked.length === 0 ? 'not here, and there is no trusted node to ask' : 'nowhere']);
  } else {
    fields.push(['found', believed === undefined ? 'here: no other node is asked' : `on ${believed}`]);
    fields.push(['address', record.address], ['version', String(record.version)]);
  }
  if (asked.length === 0) return renderFields(fields);
  const rows = asked.map(({ node, outcome, code = '', version, took_ms }) => [
    short(node.id),
    printable(node.address),
    outcome,
    printable(code),
    version === undefined ? '' : String(version),
    `${took_ms} ms`,
    node.id === believed ? 'believed' : '',
  ]);
  const titles = ['trusted node', 'address', 'outcome', 'code', 'version', 'took', ''];
  return `${renderFields(fields)}\n\n${table(titles, ['version', 'took'], rows)}`;
}

function renderObject(
  address: string,
  { key, network_size, region_bits, took_ms, steps, providers }: SearchTrace,
): string {
  const counted = (outcome: string) => steps.filter((step) => step.outcome === outcome).length;
  const fields = renderFields([
    ['address', address],
    ['key', key],
    [
      'network',
      `about ${network_size} nodes, of which those that share ${region_bits} bits with the key keep its records`,
    ],
    [
      'asked',
      `${steps.length} nodes: ${counted('answered')} answered, ${counted('silent')} silent, ${counted('refused')} refused`,
    ],
    ['providers', `${providers.filter(isBelieved).length} in ${formatDuration(took_ms)}`],
  ]);
  const stepRows = steps.map(
    ({ hop, node, via, distance_bits, at_ms, took_ms: took, outcome, code, records, contacts }) => [
      String(hop),
      short(node.id),
      printable(node.address),
      via === undefined ? 'own table' : short(via),
      `${distance_bits} bits`,
      `${at_ms} ms`,
      took === undefined ? '' : `${took} ms`,
      code === undefined ? outcome : `${outcome}: ${printable(code)}`,
      records === undefined ? '' : `${records} records, ${contacts ?? 0} nodes`,
    ],
  );
  const providerRows = providers.map(({ provider, from, at_ms, challenge, expires_at }) => [
    short(provider.id),
    printable(provider.address),
    provider.region ?? '',
    from === undefined ? 'kept here' : short(from),
    `${at_ms} ms`,
    challenge,
    formatTime(expires_at),
  ]);
  const parts = [fields];
  const stepTitles = ['hop', 'asked', 'address', 'named by', 'distance', 'at', 'took', 'outcome', 'answer'];
  if (stepRows.length > 0) parts.push(table(stepTitles, ['hop', 'distance', 'at', 'took'], stepRows));
  const providerTitles = ['provider', 'address', 'region', 'by word of', 'at', 'challenge', 'until'];
  if (providerRows.length > 0) parts.push(table(providerTitles, ['at'], providerRows));
  return parts.join('\n\n');
}

function table(titles: readonly string[], right: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = titles.map((title) => ({
    title,
    align: right.includes(title) ? ('right' as const) : ('left' as const),
  }));
  return renderTable(columns, rows);
}

function isBelieved({ challenge }: SearchTrace['providers'][number]): boolean {
  return challenge !== 'failed';
}

function short(id: string): string {
  return id.slice(0, shortDigits);
}
