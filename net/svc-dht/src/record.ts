import { canonicalJson, type JsonValue } from '@ron/naming';
import { type DhtKey, dhtLimits, type ProviderRecord, type RecordRefusal } from '@ron/proto/dht';
import type { Contact } from '@ron/proto/network';
import { fromBase64Url, type NodeSigner, toBase64Url, toHex, type VerifySignature } from '@ron/transport';

/** Why a record does not hold by itself; undefined when it does. */
export type CheckRecord = (record: ProviderRecord, nowMs: number) => RecordRefusal | undefined;

const domain = 'ron dht provider v1\0';
const encoder = new TextEncoder();

/** What is signed: a domain, then the record without its signature as canonical JSON (RFC 8785). */
export function recordMessage(record: Omit<ProviderRecord, 'signature'>): Uint8Array {
  const { key, provider, public_key, issued_at, expires_at, sequence } = record;
  const { id, address, region } = provider;
  const contact: JsonValue = region === undefined ? { id, address } : { id, address, region };
  const signed = { key, provider: contact, public_key, issued_at, expires_at, sequence };
  return encoder.encode(domain + canonicalJson(signed));
}

export interface RecordFields {
  readonly key: DhtKey;
  readonly provider: Contact;
  readonly nowMs: number;
  /** At most `dhtLimits.recordTtlMsMax`. */
  readonly ttlMs: number;
}

export async function signRecord(
  signer: Pick<NodeSigner, 'publicKey' | 'sign'>,
  fields: RecordFields,
): Promise<ProviderRecord> {
  const { key, provider, nowMs, ttlMs } = fields;
  const unsigned = {
    key,
    provider,
    public_key: toBase64Url(signer.publicKey),
    issued_at: nowMs,
    expires_at: nowMs + ttlMs,
    // Grows with every issue, over restarts too, as far as the clock does.
    sequence: nowMs,
  };
  const signature = await signer.sign(recordMessage(unsigned));
  return { ...unsigned, signature: toBase64Url(signature) };
}

export interface RecordChecking {
  blake3(bytes: Uint8Array): Uint8Array;
  readonly verify: VerifySignature;
}

/** The cheap checks first: a signature costs a hundred times as much as the rest. */
export function createRecordCheck({ blake3, verify }: RecordChecking): CheckRecord {
  return (record, nowMs) => {
    const { recordTtlMsMax, clockSkewMsMax, recordBytesMax } = dhtLimits;
    if (record.issued_at > nowMs + clockSkewMsMax) return 'far_future';
    if (record.expires_at > record.issued_at + recordTtlMsMax) return 'far_future';
    if (record.expires_at <= nowMs) return 'expired';
    // Text without a canonical form cannot have been signed.
    if (!record.provider.address.isWellFormed()) return 'unsigned';
    const message = recordMessage(record);
    if (message.length > recordBytesMax) return 'too_large';
    const publicKey = fromBase64Url(record.public_key);
    if (publicKey.length !== 32 || toHex(blake3(publicKey)) !== record.provider.id) return 'unsigned';
    return verify(publicKey, message, fromBase64Url(record.signature)) ? undefined : 'unsigned';
  };
}
