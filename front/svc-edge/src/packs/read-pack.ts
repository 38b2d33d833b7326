import { addOutboardHeader, outboardSize, VerificationError } from '@ron/b3';
import type { Work } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { ExactReader } from '../groups/exact-reader.ts';
import { ObjectProof } from '../groups/object-proof.ts';
import { outboardBytesMax } from '../groups/prove-object.ts';
import type { ArrivingObject } from '../objects/object-bytes.ts';
import { type PackRow, packHeadBytes, packRowBytes, parsePackHead, parsePackRow } from './pack-format.ts';

/**
 * The objects of a pack as they arrive. The groups of one have to be read before the next is asked for. Memory: the
 * table, one outboard, one group. Throws `bad_digest` at the first byte that is not what its address says, and
 * `bad_request` for what is no pack.
 */
export async function* readPack(body: ByteStream, work: Work): AsyncGenerator<ArrivingObject> {
  const reader = new ExactReader(body);
  try {
    const count = parsePackHead(await reader.take(packHeadBytes));
    const rows: PackRow[] = [];
    for (let row = 0; row < count; row += 1) rows.push(parsePackRow(await reader.take(packRowBytes)));
    for (const row of rows) {
      const proof = await proofOf(row, reader, work);
      let index = 0;
      const groups = async function* () {
        for (; index < proof.groupCount; index += 1) {
          const bytes = await verified(() => reader.take(proof.groupLength(index)));
          verifiedNow(() => proof.verify(index, bytes));
          yield bytes;
        }
      };
      yield { proof, groups };
      if (index < proof.groupCount) throw new Error('the groups of an object were not read');
    }
    await verified(() => reader.end());
  } catch (error) {
    throw asRefusal(error);
  } finally {
    await reader.close();
  }
}

async function proofOf({ address, sizeBytes }: PackRow, reader: ExactReader, work: Work): Promise<ObjectProof> {
  const bytes = outboardSize(sizeBytes);
  if (bytes > outboardBytesMax) {
    throw new RonError('payload_too_large', 'a pack holds objects of at most 8 GiB', { details: { size: sizeBytes } });
  }
  const parents = await reader.take(bytes - 8);
  return new ObjectProof(address, sizeBytes, addOutboardHeader(parents, sizeBytes), work);
}

async function verified<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw asRefusal(error);
  }
}

function verifiedNow(step: () => void): void {
  try {
    step();
  } catch (error) {
    throw asRefusal(error);
  }
}

function asRefusal(error: unknown): unknown {
  if (!(error instanceof VerificationError)) return error;
  const details = { reason: error.reason };
  return new RonError('bad_digest', 'the pack does not hold what it says', { cause: error, details });
}
