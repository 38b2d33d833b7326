import { generateKeyPairSync, sign } from 'node:crypto';
import type { TlsIdentity } from '../../env/http.ts';

/** For tests: a certificate that signs itself, valid from 2020 to 2049. RFC 5280 and 8410, in DER. */
export function createTestIdentity(commonName = 'localhost'): TlsIdentity {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const ed25519 = der(0x30, objectId([43, 101, 112]));
  const name = der(0x30, der(0x31, der(0x30, objectId([85, 4, 3]), der(0x0c, Buffer.from(commonName)))));
  const validity = der(0x30, der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('491231235959Z')));
  const altNames = der(0x30, der(0x82, Buffer.from(commonName)), der(0x87, Buffer.from([127, 0, 0, 1])));
  const extensions = der(0xa3, der(0x30, der(0x30, objectId([85, 29, 17]), der(0x04, altNames))));
  const toSign = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ed25519,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  );
  const signature = der(0x03, Buffer.from([0]), sign(null, toSign, privateKey));
  const certificate = der(0x30, toSign, ed25519, signature);
  const lines = certificate.toString('base64').replace(/(.{64})/g, '$1\n');
  return {
    certificateChainPem: `-----BEGIN CERTIFICATE-----\n${lines.trimEnd()}\n-----END CERTIFICATE-----\n`,
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

function objectId(bytes: readonly number[]): Buffer {
  return der(0x06, Buffer.from(bytes));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
