import { canonicalJson, isAddress, type JsonValue } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { shardsMax } from './erasure-code.ts';
import { stripeLayout } from './stripe-layout.ts';

/** Bytes of a signed manifest: 255 shards take 26 KiB, and a few signatures of 4.4 KB fit beside them. */
export const stripeManifestBytesMax = 128 * 1024;

const signaturesMax = 16;

/** How an object is spread over shards, each of which is an object with an address of its own. */
export interface StripeManifest {
  readonly type: 'stripe';
  readonly v: 1;
  /** Of the object: what a rebuilt one must have, whatever else stands here. */
  readonly address: string;
  readonly size: number;
  readonly k: number;
  readonly m: number;
  readonly shard_size: number;
  /** All k + m, by index. */
  readonly shards: readonly { readonly index: number; readonly address: string }[];
}

/** As documents of `@ron/signed` carry it. */
export interface ManifestSignature {
  readonly signer: string;
  readonly alg: 'ed25519' | 'ml-dsa-65';
  readonly signature: string;
}

const encoder = new TextEncoder();

/** What is signed: the purpose, then canonical JSON, as `documentBytes` of `@ron/signed` has it. */
export function stripeManifestBytes(manifest: StripeManifest): Uint8Array {
  return encoder.encode(`ron-signed/1 ${manifest.type}\n${canonical(manifest)}`);
}

/** The signed manifest as one line of canonical JSON, an envelope of `@ron/signed`. */
export async function sealStripeManifest(
  manifest: StripeManifest,
  sign: (message: Uint8Array) => Promise<readonly ManifestSignature[]>,
): Promise<string> {
  const signatures = await sign(stripeManifestBytes(parseStripeManifest(manifest)));
  return `${canonical({ document: manifest, signatures })}\n`;
}

/**
 * The manifest in a signed text. `holds` says whether the signatures are by whom the reader trusts to have spread the
 * object; a wrong manifest costs its reader work and never gives wrong bytes. Refuses (`bad_request`) what is malformed,
 * and (`forbidden`) what `holds` does not accept.
 */
export async function openStripeManifest(
  text: string,
  holds: (message: Uint8Array, signatures: readonly ManifestSignature[]) => boolean | Promise<boolean>,
): Promise<StripeManifest> {
  if (text.length > stripeManifestBytesMax) refuse('a stripe manifest has at most 128 KiB');
  const envelope = fields(parseJson(text), ['document', 'signatures']);
  const manifest = parseStripeManifest(envelope['document']);
  const { signatures } = envelope;
  if (!Array.isArray(signatures) || signatures.length > signaturesMax) return refuse('too many signatures');
  const parsed = signatures.map(parseSignature);
  if (!(await holds(stripeManifestBytes(manifest), parsed))) {
    throw new RonError('forbidden', 'the stripe manifest is not signed by who may');
  }
  return manifest;
}

/** Refuses (`bad_request`) unknown fields and anything that does not fit together. */
export function parseStripeManifest(value: unknown): StripeManifest {
  const manifest = fields(value, ['address', 'k', 'm', 'shard_size', 'shards', 'size', 'type', 'v']);
  const { type, v, address, size, k, m, shard_size, shards } = manifest;
  if (type !== 'stripe' || v !== 1) refuse('a stripe manifest of version 1 is needed');
  if (!isAddress(address)) return refuse('the address of a stripe manifest is malformed');
  if (!isCount(size) || !isCount(k) || !isCount(m) || k + m > shardsMax) return refuse('impossible numbers');
  const { shardSize } = stripeLayout(size, k);
  if (shard_size !== shardSize) return refuse(`shards of this object have ${shardSize} bytes`);
  if (!Array.isArray(shards) || shards.length !== k + m) return refuse(`a stripe manifest lists ${k + m} shards`);
  const listed = shards.map((shard, index) => {
    const fieldsOfShard = fields(shard, ['address', 'index']);
    if (fieldsOfShard['index'] !== index) return refuse('shards are listed by their index');
    const shardAddress = fieldsOfShard['address'];
    return isAddress(shardAddress) ? { index, address: shardAddress } : refuse('the address of a shard is malformed');
  });
  return { type: 'stripe', v: 1, address, size, k, m, shard_size: shardSize, shards: listed };
}

function parseSignature(value: unknown): ManifestSignature {
  const { signer, alg, signature } = fields(value, ['alg', 'signature', 'signer']);
  if (typeof signer !== 'string' || signer.length > 128) return refuse('a signature has no valid signer');
  if (alg !== 'ed25519' && alg !== 'ml-dsa-65') return refuse('a signature is ed25519 or ml-dsa-65');
  if (typeof signature !== 'string' || !/^[A-Za-z0-9_-]{86,4412}$/.test(signature))
    return refuse('a malformed signature');
  return { signer, alg, signature };
}

/** Whatever is not plain JSON data is refused (`bad_request`) when it is written. */
function canonical(value: unknown): string {
  return canonicalJson(value as JsonValue);
}

function fields(value: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse('an object is needed');
  if (Object.keys(value).sort().join() !== names.join()) return refuse(`exactly these fields: ${names.join(', ')}`);
  return value as Readonly<Record<string, unknown>>;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes what a stranger sent: no log may have it.
    return refuse('a stripe manifest is JSON');
  }
}

function refuse(message: string): never {
  throw new RonError('bad_request', message);
}
