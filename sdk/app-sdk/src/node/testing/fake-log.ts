import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { canonicalJson } from '@ron/naming';
import type { AuditLeaf } from '@ron/proto/audit';
import {
  createVerifierKey,
  encodeCheckpoint,
  encodeNote,
  encodeReceipt,
  encodeVerifierKey,
  inclusionProof,
  treeHasher,
  treeRoot,
  type VerifierKey,
} from '@ron/tlog';

/** An audit log in memory, with the real tree, notes and signatures. */
export class FakeLog {
  readonly origin: string;
  readonly key: VerifierKey;
  readonly #privateKey: KeyObject;
  readonly entries: Uint8Array[] = [];

  constructor(origin = 'ron.test/log') {
    this.origin = origin;
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    this.#privateKey = privateKey;
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    this.key = createVerifierKey(origin, 'ed25519', new Uint8Array(raw));
  }

  get verifierKey(): string {
    return encodeVerifierKey(this.key);
  }

  append(leaf: Partial<AuditLeaf>): number {
    const entry = {
      v: 1,
      at: 1,
      op: 'gateway.set_name',
      outcome: 'ok',
      corr_id: '',
      subject: 'alice',
      capability_id: 'c',
      tenant: '',
      resources: [],
      fields: {},
      ...leaf,
    };
    return this.entries.push(new TextEncoder().encode(canonicalJson(entry as never))) - 1;
  }

  async checkpoint(size = this.entries.length): Promise<string> {
    const root = await treeRoot(size, this.#read);
    const text = encodeCheckpoint({ origin: this.origin, size, root, extensions: [] });
    const signature = sign(null, Buffer.from(text), this.#privateKey);
    return encodeNote({ text, signatures: [{ name: this.origin, keyId: this.key.id, signature }] });
  }

  /** As it stands in a header. */
  async receipt(index: number, entry = this.entries[index]!): Promise<string> {
    const proof = await inclusionProof(index, this.entries.length, this.#read);
    return encodeReceipt({ index, entry, proof, checkpoint: await this.checkpoint() });
  }

  readonly #read = async (nodes: readonly { level: number; index: number }[]) =>
    nodes.map(({ level, index }) => this.#hash(level, index));

  #hash(level: number, index: number): Uint8Array {
    if (level === 0) return treeHasher.leaf(this.entries[index]!);
    return treeHasher.node(this.#hash(level - 1, 2 * index), this.#hash(level - 1, 2 * index + 1));
  }
}
