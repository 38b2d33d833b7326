import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { createInlineWork } from '@ron/kernel/real';
import { type NodeSigner, toBase64Url, toHex, type VerifySignature } from '@ron/transport';

const { blake3 } = createInlineWork();

/** The Ed25519 key of test node `seed`: always the same. */
export function signerOf(seed: number): NodeSigner {
  const secret = new Uint8Array(32);
  new DataView(secret.buffer).setUint32(0, seed + 1);
  const privateKey = createPrivateKey({ key: pkcs8(secret), format: 'der', type: 'pkcs8' });
  const publicKey = new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32));
  return {
    id: toHex(blake3(publicKey)),
    publicKey,
    sign: async (statement) => new Uint8Array(sign(null, statement, privateKey)),
  };
}

export const verifyEd25519: VerifySignature = (publicKey, statement, signature) => {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(publicKey) }, format: 'jwk' });
  return verify(null, statement, key, signature);
};

/** RFC 8410: the header of an Ed25519 key, and the key. */
function pkcs8(secret: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret]);
}
