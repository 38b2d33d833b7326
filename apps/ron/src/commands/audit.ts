import type { AuditReceipt } from '@ron/app-sdk';
import type { AuditLine } from '@ron/proto/audit';
import { formatTime } from '../output/format.ts';
import { renderFields } from '../output/table.ts';
import type { Session } from '../session.ts';
import { parseWholeNumber } from '../values/whole-number.ts';

const indexMax = Number.MAX_SAFE_INTEGER;
/** Shown when nobody says how many. */
const lastEntries = 20;

interface TailFlags {
  readonly from?: string;
  readonly count?: string;
  readonly follow?: boolean;
}

/** As the `tail` of a shell: the last entries, and only with `--follow` also those that are written from now on. */
export async function runTail({ client, output, signal }: Session, _args: string[], flags: TailFlags) {
  const { size } = await client.audit.checkpoint({ signal });
  const count = flags.count === undefined ? undefined : parseWholeNumber(flags.count, 'count', 1, indexMax);
  const last = Math.max(0, size - (count ?? lastEntries));
  const from = flags.from === undefined ? last : parseWholeNumber(flags.from, 'index', 0, indexMax);
  const most = count === undefined || (flags.follow && flags.from === undefined) ? Number.POSITIVE_INFINITY : count;
  const end = flags.follow ? from + most : Math.min(size, from + most);
  if (from >= end) {
    output.note(`no entries from ${from} on: the log has ${size}; --follow waits for more`);
    return undefined;
  }
  if (flags.follow) output.note('waiting for entries; Ctrl-C ends');
  for await (const line of client.audit.tail({ signal, from })) {
    output.result(line, () => textOf(line));
    if (line.index + 1 >= end) break;
  }
  return undefined;
}

function textOf({ index, entry }: AuditLine): string {
  if (entry === null) return `${index}  (given up by retention; its hash stays)`;
  const { at, op, outcome, subject, tenant, resources, corr_id, reason, fields } = entry;
  const who = subject === '' ? 'nobody' : tenant === '' ? subject : `${tenant}/${subject}`;
  const more = Object.entries({ ...fields, ...(reason === undefined ? {} : { reason }) }).map(
    ([name, value]) => `${name}=${value}`,
  );
  return [index, formatTime(at), op, outcome, who, ...resources, ...more, `corr_id=${corr_id}`].join('  ');
}

/** One entry with its proof, checked; the receipt on stdout is for `verify` of whoever gets it. */
export async function runProve({ client, output, signal }: Session, [text = '']: string[]) {
  const receipt = await client.audit.prove(parseWholeNumber(text, 'index', 0, indexMax), { signal });
  output.note(describe(receipt));
  output.result(receipt, () => receipt.text);
  return undefined;
}

export function describe({ index, entry, checkpoint }: AuditReceipt): string {
  const { origin, size } = checkpoint;
  return renderFields([
    ['proven', `entry ${index} of ${origin}, in the tree of ${size}`],
    ['at', formatTime(entry.at)],
    ['operation', `${entry.op}: ${entry.outcome}`],
    ['subject', entry.subject === '' ? '(nobody)' : entry.subject],
    ['resources', entry.resources.join(' ') || '(none)'],
    ['corr_id', entry.corr_id],
  ]);
}

/** The signed note, checked: to keep elsewhere, for `ron audit verify --checkpoint`. */
export async function runCheckpoint(
  { client, output, signal }: Session,
  _args: string[],
  flags: { cosigned?: boolean },
) {
  const checkpoint = await client.audit.checkpoint({ signal, ...(flags.cosigned ? { cosigned: true } : {}) });
  if (output.json) output.result(checkpoint, () => '');
  else output.stdout.write(checkpoint.text);
  return undefined;
}

/** What `--key` takes. Compare it with what the operator says: a node that lies about its log lies about its key. */
export async function runKey({ client, output, signal }: Session) {
  const keys = await client.audit.keys({ signal });
  output.result({ keys }, () => keys.join('\n'));
  return undefined;
}
