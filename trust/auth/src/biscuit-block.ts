import { concatBytes, encodeBytesField, encodeVarintField, MessageReader, ProtobufFault } from './protobuf.ts';

/**
 * What is inside the blocks: facts with one text each. A block is read from its bytes and never from the library's
 * printed source, which does not escape texts: a quote in one could end it and begin another fact.
 */
export interface BlockFacts {
  /** Undefined when the first fact of the authority block is not `ron_token`. */
  readonly identifier: Uint8Array | undefined;
  /** The texts of `ron_caveat`, in order; undefined stands for anything else that a block says. */
  readonly caveats: readonly (Uint8Array | undefined)[];
}

const tokenFact = 'ron_token';
const caveatFact = 'ron_caveat';
/** Numbers below belong to the schema's own table, whose words no identifier, caveat or fact of ours is. */
const firstSymbol = 1024;
/** The Datalog version that facts need. */
const blockVersion = 3;
const latin1 = new TextDecoder('latin1');
const encoder = new TextEncoder();

/** The texts that blocks refer to by number: each block adds to those before it. */
type Symbols = Uint8Array[];

export function encodeBlock(before: Symbols, identifier: Uint8Array | undefined, caveats: readonly Uint8Array[]) {
  const known = new Map(before.map((symbol, index) => [keyOf(symbol), firstSymbol + index]));
  const added: Uint8Array[] = [];
  const numberOf = (symbol: Uint8Array) => {
    const key = keyOf(symbol);
    const number = known.get(key) ?? firstSymbol + before.length + added.push(symbol) - 1;
    known.set(key, number);
    return number;
  };
  const fact = (name: string, text: Uint8Array) =>
    encodeBytesField(
      4,
      encodeBytesField(
        1,
        encodeVarintField(1, numberOf(encoder.encode(name))),
        encodeBytesField(2, encodeVarintField(3, numberOf(text))),
      ),
    );
  const facts = [
    ...(identifier === undefined ? [] : [fact(tokenFact, identifier)]),
    ...caveats.map((caveat) => fact(caveatFact, caveat)),
  ];
  const symbols = added.map((symbol) => encodeBytesField(1, symbol));
  return concatBytes([...symbols, encodeVarintField(3, blockVersion), ...facts]);
}

/** Never throws: what is not exactly such facts stands as undefined among the caveats. */
export function decodeBlocks(blocks: readonly Uint8Array[]): BlockFacts & { readonly symbols: Symbols } {
  const symbols: Symbols = [];
  const caveats: (Uint8Array | undefined)[] = [];
  let identifier: Uint8Array | undefined;
  for (const [index, block] of blocks.entries()) {
    try {
      const reader = new MessageReader(block);
      while (reader.nextIs(1)) symbols.push(reader.bytes(1));
      if (reader.number(3) !== blockVersion) throw new ProtobufFault('another version');
      if (index === 0) identifier = decodeFact(reader.bytes(4), tokenFact, symbols);
      while (reader.nextIs(4)) caveats.push(decodeFact(reader.bytes(4), caveatFact, symbols));
      reader.end();
    } catch (error) {
      if (!(error instanceof ProtobufFault)) throw error;
      caveats.push(undefined);
    }
  }
  return { identifier, caveats, symbols };
}

/** The text of a fact with this name and one text; undefined for another. */
function decodeFact(bytes: Uint8Array, name: string, symbols: Symbols): Uint8Array | undefined {
  const fact = new MessageReader(bytes);
  const predicate = new MessageReader(fact.bytes(1));
  fact.end();
  const nameSymbol = symbols[predicate.number(1) - firstSymbol];
  const term = new MessageReader(predicate.bytes(2));
  predicate.end();
  const text = symbols[term.number(3) - firstSymbol];
  term.end();
  return nameSymbol !== undefined && keyOf(nameSymbol) === name ? text : undefined;
}

function keyOf(symbol: Uint8Array): string {
  return latin1.decode(symbol);
}
