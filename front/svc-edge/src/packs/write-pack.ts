import type { Call } from '@ron/proto/contract';
import type { ByteStream } from '@ron/proto/stream';
import type { ObjectBytes } from '../objects/object-bytes.ts';
import { encodePackTable, type PackRow, packSize } from './pack-format.ts';

export interface WrittenPack {
  readonly sizeBytes: number;
  readonly body: ByteStream;
}

/** A pack of these objects, whose sizes are known before its first byte is sent. Rejects as the first that is not had. */
export async function writePack(objects: ObjectBytes, addresses: readonly string[], call: Call): Promise<WrittenPack> {
  const rows: PackRow[] = [];
  for (const address of addresses) rows.push({ address, sizeBytes: await objects.sizeOf(address, true, call) });
  return { sizeBytes: packSize(rows), body: pieces(objects, rows, call) };
}

async function* pieces(objects: ObjectBytes, rows: readonly PackRow[], call: Call): AsyncGenerator<Uint8Array> {
  yield encodePackTable(rows);
  for (const { address } of rows) {
    const { body: outboard } = await objects.outboard(address, call);
    let headerLeft = 8;
    for await (const piece of outboard) {
      const parents = piece.subarray(Math.min(headerLeft, piece.byteLength));
      headerLeft -= piece.byteLength - parents.byteLength;
      if (parents.byteLength > 0) yield parents;
    }
    const { body } = await objects.read({ address }, call);
    yield* body;
  }
}
