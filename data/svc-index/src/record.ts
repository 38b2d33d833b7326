import { canonicalJson } from '@ron/naming';
import type { NameRecord as NameRecordSchema, Resolution as ResolutionSchema } from '@ron/proto/names';
import type { Static } from 'typebox';
import type { Head } from './engine.ts';

export type NameRecord = Static<typeof NameRecordSchema>;
export type Resolution = Static<typeof ResolutionSchema>;

/** The key that this node signs its records with. */
export interface RecordSigner {
  /** Key id, the record's `owner`. */
  readonly owner: string;
  /** 64 bytes, Ed25519. */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** What the signature of a record covers: its canonical JSON without the signature. */
export function signedBytes(record: Omit<NameRecord, 'signature'>): Uint8Array {
  return new TextEncoder().encode(canonicalJson(record));
}

export async function signRecord(record: Omit<NameRecord, 'signature'>, signer: RecordSigner): Promise<NameRecord> {
  const signature = await signer.sign(signedBytes(record));
  return Object.freeze({ ...record, signature: Buffer.from(signature).toString('base64url') });
}

/** A record past its `expires_at` is as good as none. */
export function isLive(head: Head, nowMs: number): boolean {
  return !head.removed && (head.record.expires_at === undefined || nowMs < head.record.expires_at);
}
