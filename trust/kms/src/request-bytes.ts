import { RonError } from '@ron/proto/errors';
import { kmsRequestLimits } from '@ron/proto/kms';

interface Payload {
  readonly payload_base64?: string;
  readonly address?: string;
}

/** Strict base64 (RFC 4648, 4): one spelling for the same bytes. */
export function decodeBase64(text: string, bytesMax: number, field: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.byteLength > bytesMax) {
    throw new RonError('payload_too_large', `${field} has at most ${bytesMax} bytes`, { details: { field } });
  }
  if (bytes.toString('base64') !== text) {
    throw new RonError('bad_request', `${field} is not padded base64`, { details: { field } });
  }
  return bytes;
}

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** What is signed: the bytes themselves, or the ASCII characters of an address. */
export function payloadBytes({ payload_base64: payload, address }: Payload): Uint8Array {
  if ((payload === undefined) === (address === undefined)) {
    throw new RonError('bad_request', 'give payload_base64 or address, one of the two');
  }
  if (address !== undefined) return Buffer.from(address, 'latin1');
  return decodeBase64(payload!, kmsRequestLimits.payloadBytesMax, 'payload_base64');
}

export function aadBytes(text: string | undefined): Uint8Array {
  return decodeBase64(text ?? '', kmsRequestLimits.aadBytesMax, 'aad_base64');
}

export function wrappedBytes(text: string): Uint8Array {
  return decodeBase64(text, kmsRequestLimits.plaintextBytesMax + 33, 'wrapped_base64');
}
