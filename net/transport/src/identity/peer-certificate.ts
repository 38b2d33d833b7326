import type { Work } from '@ron/kernel';
import { verifyRaw } from '@ron/kms';
import { limits } from '@ron/oap';
import type { NodeId } from '@ron/proto/network';
import {
  certificateLimits,
  ed25519Algorithm,
  ed25519KeyHead,
  extensionBytes,
  extensionId,
  extensionVersion,
  sameBytes,
} from './certificate-form.ts';
import { DerError, DerReader, derTag } from './der.ts';
import { nodeIdOfKey } from './node-identity.ts';
import { certificateStatement } from './statements.ts';

/** Why a certificate proves nothing. */
export const certificateRefusals = [
  'certificate_too_large',
  'certificate_malformed',
  'certificate_statement',
  'certificate_validity',
  'certificate_not_yet_valid',
  'certificate_expired',
  'wrong_node',
] as const;
export type CertificateRefusal = (typeof certificateRefusals)[number];

export interface ProvenNode {
  readonly nodeId: NodeId;
  /** Raw Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
}

export interface CertificateExpectation {
  /** Wall-clock milliseconds; 60 s of difference between two clocks are forgiven. */
  readonly nowMs: number;
  /** Whom one wanted to reach; anybody without it. */
  readonly nodeId?: NodeId | undefined;
  readonly work: Pick<Work, 'blake3'>;
}

/** What a certificate says before anything of it is believed. */
interface ParsedCertificate {
  readonly toSign: Uint8Array;
  readonly tlsKey: Uint8Array;
  readonly selfSignature: Uint8Array;
  readonly notBeforeS: number;
  readonly notAfterS: number;
  readonly nodeKey: Uint8Array;
  readonly statementSignature: Uint8Array;
}

/**
 * Whose connection it is whose handshake showed this certificate: the node whose key signed that the TLS key speaks for it,
 * now. There is no authority: a certificate is as good as its statement. docs/specs/transport.md.
 */
export function proveNode(
  der: Uint8Array,
  { nowMs, nodeId, work }: CertificateExpectation,
): ProvenNode | CertificateRefusal {
  if (der.byteLength > certificateLimits.bytesMax) return 'certificate_too_large';
  const parsed = parseCertificate(der);
  if (parsed === undefined) return 'certificate_malformed';
  const { notBeforeS, notAfterS, tlsKey, nodeKey } = parsed;
  const { validityMsMax } = certificateLimits;
  // The cheap questions first: who is refused costs no signature.
  if (notAfterS < notBeforeS || (notAfterS - notBeforeS) * 1_000 > validityMsMax) return 'certificate_validity';
  if (nowMs < notBeforeS * 1_000 - limits.clockSkewMs) return 'certificate_not_yet_valid';
  if (nowMs > notAfterS * 1_000 + limits.clockSkewMs) return 'certificate_expired';
  const proven = { nodeId: nodeIdOfKey(nodeKey, work), publicKey: nodeKey.slice() };
  if (nodeId !== undefined && nodeId !== proven.nodeId) return 'wrong_node';
  const statement = certificateStatement({ notBeforeS, notAfterS, tlsKey });
  if (!verifyRaw('ed25519', nodeKey, statement, parsed.statementSignature)) return 'certificate_statement';
  const rawTlsKey = tlsKey.subarray(ed25519KeyHead.length);
  if (!verifyRaw('ed25519', rawTlsKey, parsed.toSign, parsed.selfSignature)) return 'certificate_statement';
  return proven;
}

/** Undefined for what is no certificate of version 3 with Ed25519 keys and exactly one statement, in DER. */
function parseCertificate(der: Uint8Array): ParsedCertificate | undefined {
  try {
    return readCertificate(der);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return undefined;
  }
}

function readCertificate(der: Uint8Array): ParsedCertificate {
  const file = new DerReader(der);
  const certificate = file.inside(derTag.sequence);
  file.end();
  const toSign = certificate.whole(derTag.sequence);
  expectBytes(certificate.whole(derTag.sequence), ed25519Algorithm);
  const selfSignature = bitsOf(certificate.read(derTag.bitString), 64);
  certificate.end();
  return { toSign, selfSignature, ...readToSign(new DerReader(toSign).inside(derTag.sequence)) };
}

function readToSign(body: DerReader): Omit<ParsedCertificate, 'toSign' | 'selfSignature'> {
  const version = body.inside(derTag.version);
  expectBytes(version.read(derTag.integer), Uint8Array.of(2));
  version.end();
  const serial = body.read(derTag.integer);
  if (serial.length === 0 || serial.length > certificateLimits.serialBytesMax) throw new DerError('serial number');
  expectBytes(body.whole(derTag.sequence), ed25519Algorithm);
  const issuer = body.whole(derTag.sequence);
  const validity = body.inside(derTag.sequence);
  const notBeforeS = secondsOf(validity.read(derTag.utcTime));
  const notAfterS = secondsOf(validity.read(derTag.utcTime));
  validity.end();
  expectBytes(body.whole(derTag.sequence), issuer);
  const tlsKey = body.whole(derTag.sequence);
  expectBytes(tlsKey.subarray(0, ed25519KeyHead.length), ed25519KeyHead);
  if (tlsKey.length !== ed25519KeyHead.length + 32) throw new DerError('TLS key');
  const extensions = body.inside(derTag.extensions);
  body.end();
  const binding = readBinding(extensions.inside(derTag.sequence));
  extensions.end();
  return {
    notBeforeS,
    notAfterS,
    tlsKey,
    nodeKey: binding.subarray(1, 33),
    statementSignature: binding.subarray(33),
  };
}

/** Ours once; others may stand beside it as long as they do not claim to be understood (RFC 5280, 4.2). */
function readBinding(extensions: DerReader): Uint8Array {
  let binding: Uint8Array | undefined;
  for (let count = 0; !extensions.done; count += 1) {
    if (count === certificateLimits.extensionsMax) throw new DerError('too many extensions');
    const extension = extensions.inside(derTag.sequence);
    const id = extension.read(derTag.objectId);
    // DER leaves a default of false out, so a flag that is there says critical.
    if (extension.is(derTag.boolean)) throw new DerError('a critical extension');
    const value = extension.read(derTag.octetString);
    extension.end();
    if (!sameBytes(id, extensionId)) continue;
    if (binding !== undefined) throw new DerError('two statements');
    binding = value;
  }
  if (binding?.length !== extensionBytes || binding[0] !== extensionVersion) throw new DerError('no statement');
  return binding;
}

function expectBytes(bytes: Uint8Array, expected: Uint8Array): void {
  if (!sameBytes(bytes, expected)) throw new DerError('another value is expected here');
}

function bitsOf(content: Uint8Array, length: number): Uint8Array {
  if (content.length !== length + 1 || content[0] !== 0) throw new DerError('bits');
  return content.subarray(1);
}

/** `YYMMDDHHMMSSZ` of this century's first half, and a moment that exists. */
function secondsOf(content: Uint8Array): number {
  const text = String.fromCharCode(...content);
  const parts = /^([0-4]\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (parts === null) throw new DerError('time');
  const [year, month, day, hour, minute, second] = parts.slice(1);
  const iso = `20${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const atMs = Date.parse(iso);
  if (Number.isNaN(atMs) || new Date(atMs).toISOString() !== iso) throw new DerError('time');
  return atMs / 1_000;
}
