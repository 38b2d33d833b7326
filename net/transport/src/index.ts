export type { Ask } from './ask.ts';
export { fromBase64Url, toBase64Url, toHex } from './encoding.ts';
export {
  type ChannelProof,
  type NodeIdentity,
  nodeIdOfKey,
  openNodeIdentity,
  signChannelProof,
  verifyChannelProof,
} from './identity/node-identity.ts';
export {
  type CertificateExpectation,
  type CertificateRefusal,
  type ProvenNode,
  proveNode,
} from './identity/peer-certificate.ts';
export type { ChannelRole } from './identity/statements.ts';
export { type TransportLimits, transportLimits } from './limits.ts';
export {
  createNodeLinks,
  type LinkCallOptions,
  type LinkReply,
  linksMax,
  type NodeLinks,
  type NodeLinksOptions,
} from './links/node-links.ts';
export {
  createNodeTransport,
  type NodeConnection,
  type NodeTransport,
  type NodeTransportOptions,
} from './node-transport.ts';
export type { NodeSigner, VerifySignature } from './signing.ts';
export type { SocksProxy } from './socks.ts';
export { TokenBuckets } from './token-buckets.ts';
