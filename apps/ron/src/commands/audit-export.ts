import { writeWhole } from '../files/whole-file.ts';
import { pipeTo } from '../output/byte-sink.ts';
import { formatBytes } from '../output/format.ts';
import type { Session } from '../session.ts';
import { parseWholeNumber } from '../values/whole-number.ts';

interface ExportFlags {
  readonly from?: string;
  readonly to?: string;
  readonly output?: string;
}

/** NDJSON that `ron audit verify` checks without a node. */
export async function runExport(session: Session, _args: string[], flags: ExportFlags) {
  const { client, output, signal } = session;
  const index = (text: string) => parseWholeNumber(text, 'index', 0, Number.MAX_SAFE_INTEGER);
  const bytes = await client.audit.export({
    signal,
    ...(flags.from === undefined ? {} : { from: index(flags.from) }),
    ...(flags.to === undefined ? {} : { to: index(flags.to) }),
  });
  const path = flags.output;
  if (path === undefined) await pipeTo(output.stdout, bytes, signal);
  else {
    const written = await writeWhole(bytes, `${path}.part`, path);
    output.result({ file: path, bytes: written }, () => `${path}: ${formatBytes(written)}`);
  }
  return undefined;
}
