import { createInterface } from 'node:readline';
import { parseAddress } from '@ron/naming';
import { exitCodes } from '../exit-codes.ts';
import type { Session } from '../session.ts';

/** Addresses in one question; the protocol's limit. */
const askedAtOnce = 1_000;

/** Ends with "not found" when one is missing, so that scripts can ask without reading. */
export async function runHas(session: Session, texts: string[]): Promise<number> {
  const { client, output, signal } = session;
  let missing = 0;
  const ask = async (addresses: string[]) => {
    const answer = await client.blobs.has(addresses, { signal });
    const present = new Set(answer.present);
    for (const address of addresses) {
      const here = present.has(address);
      if (!here) missing += 1;
      output.result(
        { address, present: here },
        () => `${address} ${here ? 'present' : output.paint('yellow', 'missing')}`,
      );
    }
  };
  let batch: string[] = [];
  for await (const text of addressesOf(session, texts)) {
    batch.push(parseAddress(text));
    if (batch.length < askedAtOnce) continue;
    await ask(batch);
    batch = [];
  }
  if (batch.length > 0) await ask(batch);
  return missing === 0 ? exitCodes.ok : exitCodes.notFound;
}

async function* addressesOf({ input }: Session, texts: readonly string[]): AsyncGenerator<string> {
  for (const text of texts) {
    if (text !== '-') {
      yield text;
      continue;
    }
    for await (const line of createInterface({ input })) if (line.trim() !== '') yield line.trim();
  }
}
