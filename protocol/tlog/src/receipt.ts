import { RonError } from '@ron/proto/errors';
import { encodeBase64, encodeBase64Url, parseBase64, parseBase64Url } from './base64.ts';
import { openCheckpoint, parseCheckpoint, type SignedCheckpoint } from './checkpoint.ts';
import { type Cosignature, verifyCosignature } from './cosignature.ts';
import { type Ed25519Verify, noteCharactersMax, parseNote } from './note.ts';
import { verifyInclusion } from './proof.ts';
import { hashBytes, treeHasher } from './tree-hash.ts';
import { encodeVerifierKey, parseVerifierKey, type VerifierKey } from './verifier-key.ts';

/** Characters of a receipt as one header field: what servers and proxies take as a matter of course. */
export const receiptCharactersMax = 8_192;
const firstLine = 'c2sp.org/tlog-proof@v1';
/** The largest note, the largest entry, and more than the highest proof. */
const textCharactersMax = 2 * noteCharactersMax;

/** That an entry is in a log, for anyone with the log's key (c2sp.org/tlog-proof). */
export interface Receipt {
  readonly index: number;
  /** Undefined when the text would not have had room for it: whoever checks must have it from elsewhere. */
  readonly entry: Uint8Array | undefined;
  /** Lowest sibling first. */
  readonly proof: readonly Uint8Array[];
  /** The signed note. */
  readonly checkpoint: string;
}

/** The text of the specification; `extra` holds the entry itself. */
export function encodeReceiptText({ index, entry, proof, checkpoint }: Receipt): string {
  const extra = entry === undefined ? '' : `extra ${encodeBase64(entry)}\n`;
  const hashes = proof.map((hash) => `${encodeBase64(hash)}\n`).join('');
  return `${firstLine}\n${extra}index ${index}\n${hashes}\n${checkpoint}`;
}

/** The text as base64url, for an HTTP header. Leaves the entry out where the whole would not fit into 8,192 characters. */
export function encodeReceipt(receipt: Receipt): string {
  const header = encodeBase64Url(new TextEncoder().encode(encodeReceiptText(receipt)));
  if (header.length <= receiptCharactersMax || receipt.entry === undefined) return header;
  return encodeReceipt({ ...receipt, entry: undefined });
}

/** Takes the text and its header form. Refuses (`bad_request`) anything else; proves nothing: see `verifyReceipt`. */
export function parseReceipt(textOrHeader: string): Receipt {
  if (textOrHeader.length > textCharactersMax) return refuse('it is longer than any');
  const text = textOrHeader.startsWith(firstLine) ? textOrHeader : headerText(textOrHeader);
  const end = text.indexOf('\n\n');
  const [first, ...lines] = text.slice(0, end).split('\n');
  if (end < 0 || first !== firstLine) return refuse('it does not begin as a tlog proof');
  const extra = lines[0]?.startsWith('extra ')
    ? (parseBase64((lines.shift() as string).slice(6)) ?? refuse('its extra line is not base64'))
    : undefined;
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '')?.[1];
  if (index === undefined || !Number.isSafeInteger(Number(index))) return refuse('it has no index');
  if (lines.length > 64) return refuse('its proof is longer than any tree is high');
  const proof = lines.map((line) => {
    const hash = parseBase64(line);
    return hash?.byteLength === hashBytes ? hash : refuse('its proof has a line that is no hash');
  });
  const checkpoint = text.slice(end + 2);
  parseCheckpoint(parseNote(checkpoint).text);
  return { index: Number(index), entry: extra, proof, checkpoint };
}

export interface VerifiedReceipt {
  readonly index: number;
  readonly entry: Uint8Array;
  readonly checkpoint: SignedCheckpoint;
  /** Of the witnesses asked for, one each, the newest: so many saw it. */
  readonly cosignatures: readonly Cosignature[];
}

export interface ReceiptTrust {
  /** Verifier keys of the log, `name+hash+key`, or parsed; one of them must have signed. */
  readonly keys: readonly (string | VerifierKey)[];
  readonly verify: Ed25519Verify;
  /** Keys of witnesses; how many are enough is the caller's to say. */
  readonly witnesses?: readonly (string | VerifierKey)[];
  /** The entry, when the receipt has no room for it; when it has one, they must be equal. */
  readonly entry?: Uint8Array;
}

/** Checks a receipt offline. Refuses with `bad_request` what is malformed, `integrity` what does not prove its entry. */
export async function verifyReceipt(textOrHeader: string, trust: ReceiptTrust): Promise<VerifiedReceipt> {
  const receipt = parseReceipt(textOrHeader);
  const entry = trust.entry ?? receipt.entry;
  if (entry === undefined) throw new RonError('bad_request', 'the receipt does not hold its entry: give it as `entry`');
  if (receipt.entry !== undefined && encodeBase64(receipt.entry) !== encodeBase64(entry)) {
    throw new RonError('integrity', 'the receipt is about another entry');
  }
  const keys = trust.keys.map(keyOf);
  let checkpoint: SignedCheckpoint;
  try {
    checkpoint = await openCheckpoint(receipt.checkpoint, keys, trust.verify);
  } catch (cause) {
    throw new RonError('integrity', 'the receipt’s checkpoint is not signed by a known key', { cause });
  }
  const { index, proof } = receipt;
  const { size, root } = checkpoint;
  if (!verifyInclusion({ index, size, leafHash: treeHasher.leaf(entry), proof, root })) {
    throw new RonError('integrity', `the receipt does not prove entry ${index}`);
  }
  const cosignatures = new Map<string, Cosignature>();
  for (const witness of (trust.witnesses ?? []).map(keyOf)) {
    const name = encodeVerifierKey(witness);
    for (const signature of checkpoint.note.signatures) {
      const found = await verifyCosignature(checkpoint.note.text, signature, witness, trust.verify);
      const newest = cosignatures.get(name)?.atSeconds ?? -1;
      if (found !== undefined && found.atSeconds > newest) cosignatures.set(name, found);
    }
  }
  return { index, entry, checkpoint, cosignatures: [...cosignatures.values()] };
}

function keyOf(key: string | VerifierKey): VerifierKey {
  return typeof key === 'string' ? parseVerifierKey(key) : key;
}

function headerText(header: string): string {
  const bytes = header.length > 2 * receiptCharactersMax ? undefined : parseBase64Url(header);
  if (bytes === undefined) return refuse('it is neither a tlog proof nor base64url of one');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new RonError('bad_request', 'the receipt is not UTF-8', { cause });
  }
}

function refuse(why: string): never {
  throw new RonError('bad_request', `not a receipt: ${why}`);
}
