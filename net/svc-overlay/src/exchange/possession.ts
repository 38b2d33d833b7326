import { createSliceVerifier, groupBytes, groupCount, groupCv, groupLength, hash, treeFromGroupCvs } from '@ron/b3';
import { hashFromAddress, parseAddress } from '@ron/naming';
import type { ByteStream } from '@ron/proto/stream';

/**
 * Proof of possession (docs/specs/exchange.md, section 5): the asking node names a group and sends a nonce. The nonce and
 * the id of the answering node choose a chunk of 1 KiB of the group; the answer is that chunk with its path to the address.
 * Whoever knows address and size can check it. A tag over the whole group is for those who have the group.
 */
export interface Challenge {
  readonly group: number;
  /** 64 hex digits. */
  readonly nonce: string;
}

export interface PossessionAnswer {
  /** base64url of a slice at 1 KiB groups. */
  readonly proof: string;
  /** 64 hex digits. */
  readonly tag: string;
}

const chunkBytes = 1_024;
const chunksPerGroup = groupBytes() / chunkBytes;
const headerBytes = 8;
const parentBytes = 64;

/** The slice of one group: header, at most 37 parents, 64 KiB. */
const groupSliceBytesMax = headerBytes + 37 * parentBytes + groupBytes();

/** Answers from the slice of the one group, which the engine that gave it has verified. */
export async function provePossession(
  slice: ByteStream,
  size: number,
  { group, nonce }: Challenge,
  node: string,
): Promise<PossessionAnswer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of slice) {
    bytes += piece.length;
    if (bytes > groupSliceBytesMax) throw new RangeError('the slice of one group is not so long');
    pieces.push(piece.slice());
  }
  const whole = Buffer.concat(pieces);
  const at = whole.length - groupLength(size, group);
  const content = whole.subarray(at);
  const chunk = chosenChunk(content.length, nonce, node);
  const proof = Buffer.concat([
    whole.subarray(0, at),
    ...pathInGroup(group, content, chunk),
    content.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes),
  ]);
  return { proof: proof.toString('base64url'), tag: tagOf(content, nonce, node) };
}

/**
 * Whether the answer proves that `node` had the chunk. `size` must be known from elsewhere: with another one, another
 * chunk would do. With `content`, the bytes of the group, the tag is checked as well, which covers all of it.
 */
export function checkPossession(
  question: Challenge & { readonly address: string; readonly size: number; readonly node: string },
  { proof, tag }: PossessionAnswer,
  content?: Uint8Array,
): boolean {
  const { address, size, group, nonce, node } = question;
  const chunk = chosenChunk(groupLength(size, group), nonce, node);
  const verifier = createSliceVerifier({
    root: hashFromAddress(parseAddress(address)),
    start: (group * chunksPerGroup + chunk) * chunkBytes,
    length: 1,
    groupLog: 0,
    size,
  });
  try {
    verifier.push(Buffer.from(proof, 'base64url'));
    verifier.finish();
  } catch {
    // Only bytes that do not verify get here: what was asked is this node's own.
    return false;
  }
  return content === undefined || tag === tagOf(content, nonce, node);
}

/** A challenge for a random group of an object. */
export function randomChallenge(
  size: number,
  random: { unit(): number; bytes(length: number): Uint8Array },
): Challenge {
  return { group: Math.floor(random.unit() * groupCount(size)), nonce: Buffer.from(random.bytes(32)).toString('hex') };
}

function chosenChunk(contentBytes: number, nonce: string, node: string): number {
  const chunks = Math.max(1, Math.ceil(contentBytes / chunkBytes));
  return Buffer.from(hash(bound('chunk', nonce, node))).readUInt32LE(0) % chunks;
}

function tagOf(content: Uint8Array, nonce: string, node: string): string {
  return Buffer.from(hash(Buffer.concat([bound('group', nonce, node), content]))).toString('hex');
}

function bound(purpose: 'chunk' | 'group', nonce: string, node: string): Buffer {
  return Buffer.from(`ron-possession/1 ${purpose} ${nonce} ${node}\n`);
}

/** Parents between the group and the chunk, from above. */
function pathInGroup(group: number, content: Uint8Array, chunk: number): Uint8Array[] {
  const chunks = Math.ceil(content.length / chunkBytes);
  if (chunks < 2) return [];
  const cvs = Array.from({ length: chunks }, (_, index) =>
    groupCv(group * chunksPerGroup + index, content.subarray(index * chunkBytes, (index + 1) * chunkBytes), 0),
  );
  // Its root would be that of an object of this group alone, and is not used; the parents below it are the same.
  const { outboard } = treeFromGroupCvs(Buffer.concat(cvs), content.length, 0);
  const path: Uint8Array[] = [];
  let [first, count, position] = [0, chunks, 0];
  while (count > 1) {
    path.push(outboard.subarray(headerBytes + position * parentBytes, headerBytes + (position + 1) * parentBytes));
    const left = 2 ** Math.ceil(Math.log2(count) - 1);
    if (chunk < first + left) [count, position] = [left, position + 1];
    else [first, count, position] = [first + left, count - left, position + left];
  }
  return path;
}
