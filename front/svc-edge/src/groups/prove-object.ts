import { outboardSize } from '@ron/b3';
import type { Env } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { ExactReader } from './exact-reader.ts';
import type { FetchGate } from './fetch-gate.ts';
import { groupBytes, ObjectProof } from './object-proof.ts';
import type { GroupSource } from './source.ts';

/** Outboards up to this size are held: those of objects up to 8 GiB. */
export const outboardBytesMax = 8 * 1024 * 1024;

export interface ProvingPorts {
  readonly env: Pick<Env, 'clock' | 'work'>;
  readonly gate: FetchGate;
  /** A proof that others needed before: it holds for everybody, once the source has answered for the object. */
  proofOf(address: string): ObjectProof | undefined;
  /** The bytes of a group that was verified by an earlier copy of the outboard. */
  held(address: string, index: number): Uint8Array | undefined;
}

export interface ProvenObject {
  /** All its parents and its size are verified. */
  readonly proof: ObjectProof;
  /** What came with it, verified. */
  readonly groups: ReadonlyMap<number, Uint8Array>;
}

/**
 * The header of an outboard is not hashed: the last group proves where an object ends, so it belongs to the proof, and
 * no length is announced to anybody before. Of an object of one group its bytes are the proof.
 */
export async function proveObject(
  source: GroupSource,
  address: string,
  wantsFirst: boolean,
  { env, gate, proofOf, held }: ProvingPorts,
  signal: AbortSignal,
): Promise<ProvenObject> {
  const { sizeBytes, firstGroup, lastGroup } = await source.stat(address, wantsFirst, signal);
  const bytesMax = outboardSize(sizeBytes);
  if (bytesMax > outboardBytesMax) {
    throw new RonError('payload_too_large', 'objects of more than 8 GiB are not read through this cache');
  }
  const groups = new Map<number, Uint8Array>();
  const addFirst = (proof: ObjectProof): void => {
    if (firstGroup === undefined) return;
    proof.verify(0, firstGroup);
    groups.set(0, firstGroup);
  };
  const known = proofOf(address);
  if (known?.sizeBytes === sizeBytes) {
    addFirst(known);
    return { proof: known, groups };
  }
  const release = sizeBytes > groupBytes ? gate.reserve(bytesMax) : () => undefined;
  try {
    const outboard = sizeBytes > groupBytes ? await source.outboard(address, sizeBytes, signal) : undefined;
    const proof = new ObjectProof(address, sizeBytes, outboard, env.work);
    addFirst(proof);
    await proof.verifyOutboard(env.clock, signal);
    const last = proof.groupCount - 1;
    if (groups.has(last)) return { proof, groups };
    const before = held(address, last);
    const bytes = before ?? lastGroup ?? (await takeGroup(source, proof, last, signal));
    proof.verify(last, bytes);
    if (before === undefined) groups.set(last, bytes);
    return { proof, groups };
  } finally {
    release();
  }
}

async function takeGroup(
  source: GroupSource,
  proof: ObjectProof,
  index: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { address, sizeBytes } = proof;
  const reader = new ExactReader(await source.groups({ address, sizeBytes, first: index, count: 1 }, signal));
  try {
    const bytes = await reader.take(proof.groupLength(index));
    await reader.end();
    return bytes;
  } finally {
    await reader.close();
  }
}
