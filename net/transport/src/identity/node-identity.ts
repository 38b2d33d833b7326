import type { Work } from '@ron/kernel';
import { type Kms, verifyRaw } from '@ron/kms';
import type { NodeId } from '@ron/proto/network';
import { toHex } from '../encoding.ts';
import { type ChannelRole, channelStatement } from './statements.ts';

/** Who the node is. Its private key stays in the kms, and does two things here: it signs certificates and channel proofs. */
export interface NodeIdentity {
  readonly nodeId: NodeId;
  /** Raw Ed25519 (RFC 8032), 32 bytes. */
  readonly publicKey: Uint8Array;
  sign(statement: Uint8Array): Promise<Uint8Array>;
}

/** That a node holds its key and is at this end of this connection. */
export interface ChannelProof {
  readonly nodeId: NodeId;
  readonly publicKey: Uint8Array;
  readonly role: ChannelRole;
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
}

/** The key under which a profile keeps its node; made by whoever asks first, and never rotated: another key is another node. */
const identityKey = { tenant: 'node', purpose: 'identity', alg: 'ed25519' } as const;

export async function openNodeIdentity(kms: Kms, work: Pick<Work, 'blake3'>): Promise<NodeIdentity> {
  const { kid } = kms.listKeys(identityKey)[0] ?? (await kms.createKey(identityKey));
  const publicKey = kms.publicKey(kid);
  return {
    nodeId: nodeIdOfKey(publicKey, work),
    publicKey,
    sign: async (statement) => kms.sign(kid, statement),
  };
}

/** BLAKE3-256 of the raw public key, 64 lower-case hex digits. */
export function nodeIdOfKey(publicKey: Uint8Array, work: Pick<Work, 'blake3'>): NodeId {
  return toHex(work.blake3(publicKey));
}

export async function signChannelProof(
  identity: NodeIdentity,
  role: ChannelRole,
  channelBinding: Uint8Array,
): Promise<ChannelProof> {
  const { nodeId, publicKey } = identity;
  const signature = await identity.sign(channelStatement({ nodeId, role, channelBinding }));
  return { nodeId, publicKey, role, signature };
}

/** False for a proof of another connection, side or node; never throws. */
export function verifyChannelProof(
  proof: ChannelProof,
  expected: { readonly role: ChannelRole; readonly channelBinding: Uint8Array; readonly nodeId?: NodeId },
  work: Pick<Work, 'blake3'>,
): boolean {
  const { nodeId, publicKey, role, signature } = proof;
  if (publicKey.byteLength !== 32 || nodeId !== nodeIdOfKey(publicKey, work)) return false;
  if (role !== expected.role || nodeId !== (expected.nodeId ?? nodeId)) return false;
  const statement = channelStatement({ nodeId, role, channelBinding: expected.channelBinding });
  return verifyRaw('ed25519', publicKey, statement, signature);
}
