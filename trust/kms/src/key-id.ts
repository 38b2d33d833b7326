import type { Clock, Random } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';

/** `ed25519` and `ml-dsa-65` sign; `hmac` makes 32-byte tags and derives; `aes-256-gcm` wraps data keys. */
export type KeyAlgorithm = 'ed25519' | 'ml-dsa-65' | 'hmac' | 'aes-256-gcm';

/** The parts of `tenant/purpose/alg/uuid#version`. */
export interface KeyId {
  readonly tenant: string;
  readonly purpose: string;
  readonly alg: KeyAlgorithm;
  readonly uuid: string;
  /** From 1; a rotated key keeps its uuid and counts up. */
  readonly version: number;
}

/** Whose keys are the node's own: whoever signs or tags with them is the node. */
export const nodeTenant = 'node';

const pattern =
  /^([A-Za-z0-9_-]{1,64})\/([a-z0-9-]{1,32})\/(ed25519|ml-dsa-65|hmac|aes-256-gcm)\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})#([1-9][0-9]{0,8})$/;

/** Undefined for anything but the one spelling of a key id. */
export function parseKeyId(text: string): KeyId | undefined {
  const parts = pattern.exec(text);
  if (parts === null) return undefined;
  const [, tenant, purpose, alg, uuid, version] = parts;
  return { tenant: tenant!, purpose: purpose!, alg: alg as KeyAlgorithm, uuid: uuid!, version: Number(version) };
}

/** Refuses (`bad_request`) parts that would not parse back. */
export function formatKeyId(id: KeyId): string {
  const text = `${id.tenant}/${id.purpose}/${id.alg}/${id.uuid}#${id.version}`;
  if (parseKeyId(text) === undefined) {
    throw new RonError('bad_request', 'tenant, purpose or algorithm of a key is malformed');
  }
  return text;
}

/** A version 7 UUID (RFC 9562, 5.7): 48 bits of wall-clock milliseconds, then 74 random bits. */
export function createUuid(clock: Clock, random: Random): string {
  const bytes = random.bytes(16);
  let milliseconds = clock.wallMs();
  for (let index = 5; index >= 0; index -= 1) {
    bytes[index] = milliseconds % 256;
    milliseconds = Math.floor(milliseconds / 256);
  }
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
