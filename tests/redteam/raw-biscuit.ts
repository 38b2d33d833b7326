import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/**
 * Tokens of the scheme ed25519 taken apart and put together by hand, from the published schema of Biscuit and not with
 * the product's encoder, so that what the product refuses to write can be sent.
 */
export interface RawBlock {
  readonly block: Buffer;
  readonly nextKey: Buffer;
  readonly signature: Buffer;
}

export interface RawBiscuit {
  readonly blocks: readonly RawBlock[];
  /** The seed of the last announced key. */
  readonly seed: Buffer;
}

interface Field {
  readonly number: number;
  /** Undefined for a number. */
  readonly bytes: Buffer | undefined;
}

const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const firstSymbol = 1024;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

const bytesField = (number: number, ...pieces: readonly Uint8Array[]) => {
  const content = Buffer.concat(pieces);
  return Buffer.concat([varint((number << 3) | 2), varint(content.length), content]);
};
const numberField = (number: number, value: number) => Buffer.concat([varint(number << 3), varint(value)]);

function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const next = () => {
    let [value, shift, byte] = [0, 0, 128];
    for (; byte > 127; shift += 7) {
      byte = message[at++]!;
      value |= (byte & 127) << shift;
    }
    return value;
  };
  while (at < message.length) {
    const tag = next();
    const length = next();
    const hasBytes = (tag & 7) === 2;
    fields.push({ number: tag >> 3, bytes: hasBytes ? message.subarray(at, at + length) : undefined });
    if (hasBytes) at += length;
  }
  return fields;
}

const only = (fields: readonly Field[], number: number) => fields.find((field) => field.number === number)!.bytes!;

export function takeApart(token: string): RawBiscuit {
  const fields = fieldsOf(Buffer.from(token.slice('ron1b_'.length), 'base64url'));
  const blocks = fields
    .filter(({ number }) => number === 2 || number === 3)
    .map(({ bytes }) => {
      const block = fieldsOf(bytes!);
      return { block: only(block, 1), nextKey: only(fieldsOf(only(block, 2)), 2), signature: only(block, 3) };
    });
  return { blocks, seed: only(fieldsOf(only(fields, 4)), 1) };
}

export function putTogether({ blocks, seed }: RawBiscuit, more: readonly Uint8Array[] = []): string {
  const signed = blocks.map(({ block, nextKey, signature }, index) =>
    bytesField(
      index === 0 ? 2 : 3,
      bytesField(1, block),
      bytesField(2, numberField(1, 0), bytesField(2, nextKey)),
      bytesField(3, signature),
      ...(index === blocks.length - 1 ? more : []),
      numberField(5, 1),
    ),
  );
  return `ron1b_${Buffer.concat([...signed, bytesField(4, bytesField(1, seed))]).toString('base64url')}`;
}

/** A signature by a third party, as a block may carry it. */
export const thirdParty = bytesField(
  4,
  bytesField(1, Buffer.alloc(64, 7)),
  bytesField(2, numberField(1, 0), bytesField(2, Buffer.alloc(32, 7))),
);

const little = (value: number) => Buffer.from([value, 0, 0, 0]);

/** What is signed: the specification's "signature version 1". */
export function payloadOfBlock(block: Buffer, nextKey: Buffer, previous?: Buffer): Buffer {
  const pieces = [
    Buffer.from('\0BLOCK\0\0VERSION\0'),
    little(1),
    Buffer.from('\0PAYLOAD\0'),
    block,
    Buffer.from('\0ALGORITHM\0'),
    little(0),
    Buffer.from('\0NEXTKEY\0'),
    nextKey,
  ];
  return Buffer.concat(previous === undefined ? pieces : [...pieces, Buffer.from('\0PREVSIG\0'), previous]);
}

/** Facts with one text each; `known` are the texts of the blocks before, which no block may repeat. */
export function blockOf(known: readonly string[], facts: readonly (readonly [name: string, text: string])[]): Buffer {
  const added = [...new Set(facts.flat())].filter((text) => !known.includes(text));
  const symbols = [...known, ...added];
  const numberOf = (text: string) => firstSymbol + symbols.indexOf(text);
  return Buffer.concat([
    ...added.map((symbol) => bytesField(1, Buffer.from(symbol))),
    numberField(3, 3),
    ...facts.map(([name, text]) =>
      bytesField(4, bytesField(1, numberField(1, numberOf(name)), bytesField(2, numberField(3, numberOf(text))))),
    ),
  ]);
}

const symbolsOf = ({ blocks }: RawBiscuit) =>
  blocks.flatMap(({ block }) =>
    fieldsOf(block)
      .filter(({ number }) => number === 1)
      .map(({ bytes }) => bytes!.toString()),
  );

export const keyOfSeed = (seed: Buffer): KeyObject =>
  // The one prefix of an Ed25519 private key in PKCS #8 (RFC 8410).
  createPrivateKey({ key: Buffer.concat([pkcs8, seed]), format: 'der', type: 'pkcs8' });

/** A fresh key: its seed, and its public half. */
export function announce(): { readonly seed: Buffer; readonly nextKey: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    seed: Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url'),
    nextKey: Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'),
  };
}

/** A properly signed block behind the others, with any facts. */
export function append(token: string, facts: readonly (readonly [string, string])[]): string {
  const raw = takeApart(token);
  const { seed, nextKey } = announce();
  const block = blockOf(symbolsOf(raw), facts);
  const signature = sign(null, payloadOfBlock(block, nextKey, raw.blocks.at(-1)!.signature), keyOfSeed(raw.seed));
  return putTogether({ blocks: [...raw.blocks, { block, nextKey, signature }], seed });
}

/** A whole token over any identifier, begun with whatever `signRoot` signs with. */
export async function forge(
  identifier: string,
  caveats: readonly string[],
  signRoot: (payload: Buffer) => Buffer | Promise<Buffer>,
): Promise<string> {
  const { seed, nextKey } = announce();
  const facts = caveats.map((caveat) => ['ron_caveat', caveat] as const);
  const block = blockOf([], [['ron_token', identifier], ...facts]);
  return putTogether({ blocks: [{ block, nextKey, signature: await signRoot(payloadOfBlock(block, nextKey)) }], seed });
}
