import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { Env, TlsIdentity } from '@ron/kernel';
import {
  certificateLimits,
  ed25519Algorithm,
  ed25519KeyHead,
  extensionId,
  extensionVersion,
} from './certificate-form.ts';
import { derTag, encodeDer } from './der.ts';
import type { NodeIdentity } from './node-identity.ts';
import { certificateStatement } from './statements.ts';

/** A TLS key, made for this certificate alone, and the certificate by which the node key vouches for it. */
export interface NodeCertificate {
  readonly tls: TlsIdentity;
  readonly der: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Of whoever has a name here; nobody reads it, but an issuer without a name is none (RFC 5280, 4.1.2.4). */
const commonName = 'ron node';
const serialBytes = 16;

/**
 * A certificate that signs itself, from now on for `validityMs`, at most 48 h. docs/specs/transport.md; RFC 5280 and
 * 8410, in DER. Its private key is in memory only, and dies with the certificate.
 */
export async function issueCertificate(
  identity: NodeIdentity,
  { clock, random }: Pick<Env, 'clock' | 'random'>,
  validityMs: number,
): Promise<NodeCertificate> {
  if (!(validityMs >= 1_000 && validityMs <= certificateLimits.validityMsMax)) {
    throw new RangeError(`a certificate is valid for 1 s to 48 h, not for ${validityMs} ms`);
  }
  const key = tlsKeyOf(random.bytes(32));
  const notBeforeS = Math.floor(clock.wallMs() / 1_000);
  const notAfterS = notBeforeS + Math.floor(validityMs / 1_000);
  const signature = await identity.sign(certificateStatement({ notBeforeS, notAfterS, tlsKey: publicHalf(key) }));
  const serial = random.bytes(serialBytes);
  // Positive, and without a leading zero that would have to be left out.
  serial[0] = 0x40 | ((serial[0] as number) & 0x3f);
  const extensions = [nodeExtension(identity.publicKey, signature)];
  const der = selfSigned(key, { serial, notBeforeS, notAfterS, extensions });
  return {
    tls: { certificateChainPem: pemOf(der), keyPem: key.export({ type: 'pkcs8', format: 'pem' }) as string },
    der,
    notBeforeMs: notBeforeS * 1_000,
    notAfterMs: notAfterS * 1_000,
  };
}

/** Takes the seed and overwrites it. */
export function tlsKeyOf(seed: Uint8Array): KeyObject {
  const raw = Buffer.from(seed.buffer, seed.byteOffset, seed.byteLength);
  const key = createPrivateKey({ key: raw, format: 'raw-private', asymmetricKeyType: 'ed25519' });
  seed.fill(0);
  return key;
}

/** SubjectPublicKeyInfo, DER. */
export function publicHalf(key: KeyObject): Uint8Array {
  return Uint8Array.of(...ed25519KeyHead, ...createPublicKey(key).export({ format: 'raw-public' }));
}

/** The extension by which a node key vouches for the certificate. */
export function nodeExtension(nodeKey: Uint8Array, signature: Uint8Array): Uint8Array {
  const binding = Uint8Array.of(extensionVersion, ...nodeKey, ...signature);
  return encodeDer(derTag.sequence, encodeDer(derTag.objectId, extensionId), encodeDer(derTag.octetString, binding));
}

export interface CertificateFields {
  readonly serial: Uint8Array;
  readonly notBeforeS: number;
  readonly notAfterS: number;
  readonly extensions: readonly Uint8Array[];
}

export function selfSigned(
  key: KeyObject,
  { serial, notBeforeS, notAfterS, extensions }: CertificateFields,
): Uint8Array {
  const nameAttribute = encodeDer(
    derTag.sequence,
    encodeDer(derTag.objectId, Uint8Array.of(0x55, 0x04, 0x03)),
    encodeDer(derTag.utf8, encoder.encode(commonName)),
  );
  const name = encodeDer(derTag.sequence, encodeDer(derTag.set, nameAttribute));
  const toSign = encodeDer(
    derTag.sequence,
    encodeDer(derTag.version, encodeDer(derTag.integer, Uint8Array.of(2))),
    encodeDer(derTag.integer, serial),
    ed25519Algorithm,
    name,
    encodeDer(derTag.sequence, utcTime(notBeforeS), utcTime(notAfterS)),
    name,
    publicHalf(key),
    encodeDer(derTag.extensions, encodeDer(derTag.sequence, ...extensions)),
  );
  const signature = encodeDer(derTag.bitString, Uint8Array.of(0), sign(null, toSign, key));
  return encodeDer(derTag.sequence, toSign, ed25519Algorithm, signature);
}

/** `YYMMDDHHMMSSZ`, good until 2049 (RFC 5280, 4.1.2.5.1). */
function utcTime(seconds: number): Uint8Array {
  const text = new Date(seconds * 1_000).toISOString().replace(/[-T:]/g, '');
  return encodeDer(derTag.utcTime, encoder.encode(`${text.slice(2, 14)}Z`));
}

export function pemOf(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replace(/(.{64})(?=.)/g, '$1\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

const encoder = new TextEncoder();
