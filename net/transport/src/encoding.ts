/** 64 lower-case digits for 32 bytes. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** Of text that a schema has checked: other characters are left out. */
export function fromBase64Url(text: string): Uint8Array {
  return Buffer.from(text, 'base64url');
}
