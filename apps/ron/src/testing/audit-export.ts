import { generateKeyPairSync, sign } from 'node:crypto';
import { canonicalJson } from '@ron/naming';
import {
  coverOf,
  createVerifierKey,
  encodeBase64,
  encodeCheckpoint,
  encodeNote,
  encodeReceiptText,
  encodeVerifierKey,
  inclusionProof,
  type TreeNode,
  treeHasher,
  treeRoot,
} from '@ron/tlog';

/** A log with the real tree and signatures, and its export, without a node. */
export class ExportedLog {
  readonly origin = 'ron.test/log';
  readonly entries: Uint8Array[] = [];
  readonly #key = generateKeyPairSync('ed25519');
  readonly #verifier = createVerifierKey(
    this.origin,
    'ed25519',
    new Uint8Array(this.#key.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)),
  );

  constructor(entries: number) {
    for (let index = 0; index < entries; index += 1) {
      const entry = {
        v: 1,
        at: 1_700_000_000_000 + index,
        op: 'gateway.set_name',
        outcome: 'ok',
        corr_id: `corr-id-${index}`,
        subject: 'alice',
        capability_id: 'c',
        tenant: '',
        resources: [`n/docs/${index}`],
        fields: {},
      };
      this.entries.push(new TextEncoder().encode(canonicalJson(entry)));
    }
  }

  get key(): string {
    return encodeVerifierKey(this.#verifier);
  }

  async checkpoint(size = this.entries.length): Promise<string> {
    const text = encodeCheckpoint({
      origin: this.origin,
      size,
      root: await treeRoot(size, this.#read),
      extensions: [],
    });
    const signature = sign(null, Buffer.from(text), this.#key.privateKey);
    return encodeNote({ text, signatures: [{ name: this.origin, keyId: this.#verifier.id, signature }] });
  }

  async receipt(index: number): Promise<string> {
    const proof = await inclusionProof(index, this.entries.length, this.#read);
    return encodeReceiptText({ index, entry: this.entries[index]!, proof, checkpoint: await this.checkpoint() });
  }

  /** Its lines: the head, then one for each entry of [from, to). */
  async lines(from = 0, to = this.entries.length): Promise<string[]> {
    const size = this.entries.length;
    const cover = async (start: number, end: number) => (await this.#read(coverOf(start, end))).map(encodeBase64);
    const head = {
      type: 'ron-audit-export',
      v: 1,
      from,
      to,
      checkpoint: await this.checkpoint(),
      keys: [this.key],
      before: await cover(0, from),
      after: await cover(to, size),
    };
    const lines = this.entries.slice(from, to).map((entry, at) => ({
      index: from + at,
      leaf_hash: encodeBase64(treeHasher.leaf(entry)),
      entry: JSON.parse(new TextDecoder().decode(entry)),
    }));
    return [head, ...lines].map((line) => canonicalJson(line));
  }

  readonly #read = async (nodes: readonly TreeNode[]) => nodes.map(({ level, index }) => this.#hash(level, index));

  #hash(level: number, index: number): Uint8Array {
    if (level === 0) return treeHasher.leaf(this.entries[index]!);
    return treeHasher.node(this.#hash(level - 1, 2 * index), this.#hash(level - 1, 2 * index + 1));
  }
}
