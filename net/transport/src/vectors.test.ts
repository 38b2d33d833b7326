import fs from 'node:fs';
import { createInlineWork } from '@ron/kernel/real';
import { expect, test } from 'vitest';
import { toHex } from './encoding.ts';
import { nodeExtension, publicHalf, selfSigned, tlsKeyOf } from './identity/certificate.ts';
import { nodeIdOfKey, verifyChannelProof } from './identity/node-identity.ts';
import { proveNode } from './identity/peer-certificate.ts';
import { type ChannelRole, certificateStatement, channelStatement } from './identity/statements.ts';

const folder = new URL('../../../docs/specs/vectors/', import.meta.url);
const vectors = JSON.parse(fs.readFileSync(new URL('transport-1.json', folder), 'utf8'));
const work = createInlineWork();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function hex(value: string): Uint8Array {
  // `Buffer` ends at the first digit that is none.
  expect(value).toMatch(/^(?:[0-9a-f]{2})+$/);
  return Buffer.from(value, 'hex');
}

const nodeKey = hex(vectors.node_key);
const { certificate } = vectors;

test('the node id', () => {
  expect(nodeIdOfKey(nodeKey, work)).toBe(vectors.node_id);
});

test('the certificate is the same bytes, and proves the node while it is valid', () => {
  const key = tlsKeyOf(hex(certificate.tls_seed));
  const { not_before: notBeforeS, not_after: notAfterS } = certificate;
  const tlsKey = publicHalf(key);
  expect(toHex(tlsKey)).toBe(certificate.tls_key);
  expect(text(certificateStatement({ notBeforeS, notAfterS, tlsKey }))).toBe(certificate.statement);
  const extensions = [nodeExtension(nodeKey, hex(certificate.statement_signature))];
  const der = selfSigned(key, { serial: hex(certificate.serial), notBeforeS, notAfterS, extensions });
  expect(toHex(der)).toBe(certificate.der);
  const proven = { nodeId: vectors.node_id, publicKey: nodeKey };
  expect(proveNode(hex(certificate.der), { nowMs: notBeforeS * 1_000, work })).toEqual(proven);
  expect(proveNode(hex(certificate.der), { nowMs: notBeforeS * 1_000 - 60_001, work })).toBe(
    'certificate_not_yet_valid',
  );
});

test.each<{ role: ChannelRole; channel_binding: string; statement: string; signature: string }>(vectors.channel_proofs)(
  'the channel proof of a $role',
  ({ role, channel_binding, statement, signature }) => {
    const channelBinding = hex(channel_binding);
    const nodeId = vectors.node_id;
    expect(text(channelStatement({ nodeId, role, channelBinding }))).toBe(statement);
    const proof = { nodeId, publicKey: nodeKey, role, signature: hex(signature) };
    expect(verifyChannelProof(proof, { nodeId, role, channelBinding }, work)).toBe(true);
  },
);
