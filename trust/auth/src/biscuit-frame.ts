import { concatBytes, encodeBytesField, encodeVarintField, MessageReader, ProtobufFault } from './protobuf.ts';

/**
 * The outer layer of a Biscuit v3 token: blocks, each signed with the key that the one before announces. Fields and
 * payloads are those of the published schema and specification (biscuitsec.org, "Cryptography", signature version 1).
 */
export interface BiscuitFrame {
  /** The authority block, then one for each attenuation. */
  readonly blocks: readonly SignedBlock[];
  /** The seed of the last announced key; undefined for a sealed token. */
  readonly nextSecret: Uint8Array | undefined;
  /** The seal of a token that nobody can attenuate. */
  readonly seal: Uint8Array | undefined;
}

export interface SignedBlock {
  readonly block: Uint8Array;
  /** Raw Ed25519 public key. */
  readonly nextKey: Uint8Array;
  readonly signature: Uint8Array;
  /** Signed by somebody else beside: such a block says something that capabilities do not know. */
  readonly isForeign: boolean;
}

const keyBytes = 32;
const signatureBytes = 64;
const ed25519 = 0;
/** Of the signed payload. Version 0, of older libraries, does not bind a block to the signature before it. */
const signatureVersion = 1;
const encoder = new TextEncoder();

export function encodeFrame(blocks: readonly SignedBlock[], nextSecret: Uint8Array): Uint8Array {
  const signed = blocks.map((each, index) =>
    encodeBytesField(
      index === 0 ? 2 : 3,
      encodeBytesField(1, each.block),
      encodeBytesField(2, encodeVarintField(1, ed25519), encodeBytesField(2, each.nextKey)),
      encodeBytesField(3, each.signature),
      encodeVarintField(5, signatureVersion),
    ),
  );
  return concatBytes([...signed, encodeBytesField(4, encodeBytesField(1, nextSecret))]);
}

/** Throws `ProtobufFault` for every other spelling, a root key number, and keys that are not Ed25519. */
export function decodeFrame(bytes: Uint8Array): BiscuitFrame {
  const reader = new MessageReader(bytes);
  const blocks = [decodeSignedBlock(reader.bytes(2))];
  while (reader.nextIs(3)) blocks.push(decodeSignedBlock(reader.bytes(3)));
  const proof = new MessageReader(reader.bytes(4));
  reader.end();
  const nextSecret = proof.nextIs(1) ? proof.bytes(1, keyBytes) : undefined;
  const seal = nextSecret === undefined ? proof.bytes(2, signatureBytes) : undefined;
  proof.end();
  return { blocks, nextSecret, seal };
}

function decodeSignedBlock(bytes: Uint8Array): SignedBlock {
  const reader = new MessageReader(bytes);
  const block = reader.bytes(1);
  const key = new MessageReader(reader.bytes(2));
  const isEd25519 = key.number(1) === ed25519;
  // The other curve's keys are longer: the length says no to them.
  const nextKey = key.bytes(2, isEd25519 ? keyBytes : 0);
  key.end();
  const signature = reader.bytes(3, signatureBytes);
  const isForeign = reader.nextIs(4);
  if (isForeign) reader.bytes(4);
  if (reader.number(5) !== signatureVersion) throw new ProtobufFault('another signature version');
  reader.end();
  return { block, nextKey, signature, isForeign };
}

/** What the key before signs: the block, the key that it announces, and (after the first) the signature before. */
export function signedPayload(block: Uint8Array, nextKey: Uint8Array, previousSignature?: Uint8Array): Uint8Array {
  return concatBytes([
    encoder.encode('\0BLOCK\0\0VERSION\0'),
    littleEndian(signatureVersion),
    encoder.encode('\0PAYLOAD\0'),
    block,
    encoder.encode('\0ALGORITHM\0'),
    littleEndian(ed25519),
    encoder.encode('\0NEXTKEY\0'),
    nextKey,
    ...(previousSignature === undefined ? [] : [encoder.encode('\0PREVSIG\0'), previousSignature]),
  ]);
}

function littleEndian(value: number): Uint8Array {
  return Uint8Array.from([value, 0, 0, 0]);
}
