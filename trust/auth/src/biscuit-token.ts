import { sign } from 'node:crypto';
import {
  biscuitPrefix,
  type Caveat,
  type Claims,
  capabilityTextMax,
  caveatsMax,
  decodeCaveat,
  decodeIdentifier,
  encodeBase64Url,
  encodeCaveat,
  encodeIdentifier,
  type Identifier,
  spellingOf,
} from '@ron/cap';
import type { Random } from '@ron/kernel';
import type { Right } from '@ron/proto/capability';
import { RonError } from '@ron/proto/errors';
import { decodeBlocks, encodeBlock } from './biscuit-block.ts';
import { type BiscuitFrame, decodeFrame, encodeFrame, type SignedBlock, signedPayload } from './biscuit-frame.ts';
import { privateKeyOf, rawPublicKey } from './ed25519.ts';
import { ProtobufFault } from './protobuf.ts';

/** Bytes of the binary form: what still has a text form of 4,096 characters. */
const biscuitBytesMax = Math.floor(((capabilityTextMax - biscuitPrefix.length) * 3) / 4);
const seedBytes = 32;

export interface BiscuitToken {
  readonly frame: BiscuitFrame;
  readonly claims: Claims;
  readonly symbols: Uint8Array[];
}

/** Refuses (`bad_request`) what is not spelt as this version spells it. Proves nothing: the signatures are not checked. */
export function parseBiscuit(bytes: Uint8Array): BiscuitToken {
  if (bytes.byteLength > biscuitBytesMax) refuse('cap.size', `a capability has at most ${biscuitBytesMax} bytes`);
  const frame = frameOf(bytes);
  const { identifier, caveats, symbols } = decodeBlocks(frame.blocks.map(({ block }) => block));
  if (identifier === undefined) return refuse('cap.identifier', 'malformed capability');
  if (caveats.length > caveatsMax) refuse('cap.caveats', `a capability has at most ${caveatsMax} caveats`);
  const read = caveats.map((caveat) => ({
    bytes: caveat ?? new Uint8Array(0),
    caveat: caveat === undefined ? undefined : decodeCaveat(caveat),
  }));
  // A third party's signature says something that this version does not know.
  if (frame.blocks.some(({ isForeign }) => isForeign)) read.push({ bytes: new Uint8Array(0), caveat: undefined });
  const claims = { identifier: decodeIdentifier(identifier), identifierBytes: identifier, caveats: read };
  return { frame, claims, symbols };
}

/** A new capability. `signRoot` signs with the root key, which nobody else ever sees. */
export async function mintBiscuit(
  identifier: Identifier,
  rights: readonly Right[],
  conditions: readonly Caveat[],
  signRoot: (payload: Uint8Array) => Uint8Array | Promise<Uint8Array>,
  random: Random,
): Promise<string> {
  const caveats = [{ rights }, ...conditions].map(encodeCaveat);
  const block = encodeBlock([], encodeIdentifier(identifier), caveats);
  const seed = random.bytes(seedBytes);
  const nextKey = rawPublicKey(privateKeyOf(seed));
  const signature = await signRoot(signedPayload(block, nextKey));
  return toText([{ block, nextKey, signature, isForeign: false }], seed, caveats.length);
}

/**
 * A weaker capability from one at hand, offline: a block with the caveats, signed with the key that the token carries
 * for this, which is then gone. Refuses (`bad_request`) a sealed token (`cap.sealed`) and past the limits.
 */
export function attenuateBiscuit(
  capability: string | Uint8Array,
  caveats: readonly Caveat[],
  random: Pick<Random, 'bytes'>,
): string {
  const { scheme, bytes } = spellingOf(capability);
  if (scheme !== 'ed25519') refuse('cap.prefix', `a capability of this scheme starts with ${biscuitPrefix}`);
  const { frame, claims, symbols } = parseBiscuit(bytes);
  // A third party's block is not kept as it was: what would come out is void.
  if (frame.blocks.some(({ isForeign }) => isForeign))
    refuse('cap.malformed', 'a third party has signed this capability');
  if (frame.nextSecret === undefined) return refuse('cap.sealed', 'a sealed capability cannot be attenuated');
  const block = encodeBlock(symbols, undefined, caveats.map(encodeCaveat));
  const seed = random.bytes(seedBytes);
  const nextKey = rawPublicKey(privateKeyOf(seed));
  const payload = signedPayload(block, nextKey, frame.blocks.at(-1)!.signature);
  const signature = sign(null, payload, privateKeyOf(frame.nextSecret));
  const added: SignedBlock = { block, nextKey, signature, isForeign: false };
  return toText([...frame.blocks, added], seed, claims.caveats.length + caveats.length);
}

function toText(blocks: readonly SignedBlock[], nextSecret: Uint8Array, caveats: number): string {
  if (caveats > caveatsMax) refuse('cap.caveats', `a capability has at most ${caveatsMax} caveats`);
  const bytes = encodeFrame(blocks, nextSecret);
  if (bytes.byteLength > biscuitBytesMax) refuse('cap.size', `a capability has at most ${biscuitBytesMax} bytes`);
  return biscuitPrefix + encodeBase64Url(bytes);
}

function frameOf(bytes: Uint8Array): BiscuitFrame {
  try {
    return decodeFrame(bytes);
  } catch (error) {
    if (error instanceof ProtobufFault) refuse('cap.malformed', 'malformed capability');
    throw error;
  }
}

function refuse(rule: string, message: string): never {
  throw new RonError('bad_request', message, { details: { rule } });
}
