/** Numbers and names of docs/specs/transport.md. */
export const certificateLimits = {
  /** A certificate as presented; ours have some 400 bytes. */
  bytesMax: 4_096,
  extensionsMax: 8,
  serialBytesMax: 20,
  /** From `notBefore` to `notAfter`. Nothing revokes a certificate but its end. */
  validityMsMax: 48 * 3_600_000,
} as const;

/** Ed25519 as key and as signature algorithm: 1.3.101.112, without parameters (RFC 8410, 3). */
export const ed25519Algorithm = Uint8Array.of(0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70);

/** SubjectPublicKeyInfo of Ed25519 up to the 32 bytes of the key (RFC 8410, 4). */
export const ed25519KeyHead = Uint8Array.of(0x30, 0x2a, ...ed25519Algorithm, 0x03, 0x21, 0x00);

/**
 * Object id of the extension: 2.25 and the UUID 6b1d8b1e-3a0f-4c57-9d64-2f1f0a7c5e41 as one number, the arc that
 * needs no registration (ITU-T X.667, 7).
 */
export const extensionId = Uint8Array.of(
  ...[0x69, 0x81, 0xd6, 0x9d, 0xc5, 0xc7, 0xc7, 0xa0, 0xfa, 0xb1],
  ...[0xaf, 0x9d, 0xb2, 0x8b, 0xe3, 0xf0, 0xd3, 0xf1, 0xbc, 0x41],
);

/** Content of the extension: version, node key, signature. */
export const extensionVersion = 1;
export const extensionBytes = 1 + 32 + 64;

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
