import type { NodeId } from '@ron/proto/network';
import type { TransportLimits } from '../limits.ts';
import { addressKey } from './address-key.ts';

export const admissionRefusals = [
  'over_capacity',
  'address_capacity',
  'handshake_capacity',
  'address_handshakes',
  'node_capacity',
] as const;
export type AdmissionRefusal = (typeof admissionRefusals)[number];

type Caps = Pick<
  TransportLimits,
  'handshakesMax' | 'handshakesPerAddressMax' | 'connectionsMax' | 'connectionsPerAddressMax' | 'connectionsPerNodeMax'
>;

/**
 * Who may still connect. A connection is counted from its accept on, as a handshake first; each `admit` that lets one in
 * is answered by one `leave`. All maps are bounded by the caps on connections.
 */
export class Admission {
  readonly #caps: Caps;
  readonly #byAddress = new Map<string, number>();
  readonly #handshakesByAddress = new Map<string, number>();
  readonly #byNode = new Map<NodeId, number>();
  #connections = 0;
  #handshakes = 0;

  constructor(caps: Caps) {
    this.#caps = caps;
  }

  get connections(): number {
    return this.#connections;
  }

  get handshakes(): number {
    return this.#handshakes;
  }

  /** Entries of all maps. */
  get remembered(): number {
    return this.#byAddress.size + this.#handshakesByAddress.size + this.#byNode.size;
  }

  /** Undefined lets the connection in, with its handshake to come. */
  admit(remote: string): AdmissionRefusal | undefined {
    const caps = this.#caps;
    const address = addressKey(remote);
    // Everybody behind a Unix socket has the same name and is the same user.
    const isShared = address === 'unix';
    if (this.#connections >= caps.connectionsMax) return 'over_capacity';
    if (this.#handshakes >= caps.handshakesMax) return 'handshake_capacity';
    if (!isShared && countOf(this.#byAddress, address) >= caps.connectionsPerAddressMax) return 'address_capacity';
    if (!isShared && countOf(this.#handshakesByAddress, address) >= caps.handshakesPerAddressMax) {
      return 'address_handshakes';
    }
    this.#connections += 1;
    this.#handshakes += 1;
    add(this.#byAddress, address, 1);
    add(this.#handshakesByAddress, address, 1);
    return undefined;
  }

  /** The handshake of one that was let in is over, however it ended. */
  handshakeOver(remote: string): void {
    this.#handshakes -= 1;
    add(this.#handshakesByAddress, addressKey(remote), -1);
  }

  /** Undefined lets the node have one more; answered by one `leaveNode`. */
  admitNode(nodeId: NodeId): AdmissionRefusal | undefined {
    if (countOf(this.#byNode, nodeId) >= this.#caps.connectionsPerNodeMax) return 'node_capacity';
    add(this.#byNode, nodeId, 1);
    return undefined;
  }

  leaveNode(nodeId: NodeId): void {
    add(this.#byNode, nodeId, -1);
  }

  leave(remote: string): void {
    this.#connections -= 1;
    add(this.#byAddress, addressKey(remote), -1);
  }
}

function countOf(counts: ReadonlyMap<string, number>, key: string): number {
  return counts.get(key) ?? 0;
}

function add(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const count = countOf(counts, key) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
