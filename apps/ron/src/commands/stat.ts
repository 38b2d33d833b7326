import { isAddress } from '@ron/naming';
import { formatBytes } from '../output/format.ts';
import { renderFields } from '../output/table.ts';
import { hasCode } from '../refusal.ts';
import { parseSource } from '../remote/source.ts';
import type { Session } from '../session.ts';

interface Found {
  readonly address: string;
  readonly size: number;
  readonly name?: string | undefined;
  readonly version?: number | undefined;
}

export async function runStat(session: Session, [text = '']: string[]): Promise<undefined> {
  const found: Found = isAddress(text)
    ? await session.client.blobs.stat(text, { signal: session.signal })
    : await statName(session, text);
  const { address, size, name, version } = found;
  session.output.result(found, () =>
    renderFields([
      ['address', address],
      ['size', `${size} (${formatBytes(size)})`],
      ...(name === undefined ? [] : [['name', `${name} (version ${version})`] as const]),
    ]),
  );
  return undefined;
}

/** One byte of it, so that a capability for the name is enough. */
async function statName(session: Session, text: string): Promise<Found> {
  const source = parseSource(session, text);
  try {
    const reply = await source.read({ range: { start: 0, end: 1 } });
    await reply.bytes();
    return { address: reply.address, size: reply.size, name: reply.name, version: reply.version };
  } catch (thrown) {
    if (!hasCode(thrown, 'range_not_satisfiable')) throw thrown;
    const { address, size, name, version } = await source.read();
    return { address, size, name, version };
  }
}
