import {
  type Duplex,
  type Env,
  errorCode,
  type Listener,
  type Log,
  type Metrics,
  type Net,
  type NetAddress,
  parseNetAddress,
  type TlsDuplex,
} from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { Admission } from './connections/admission.ts';
import { ConnectionWatch } from './connections/connection-watch.ts';
import { createTransportMetrics, type DialRefusal, type TransportMetrics } from './connections/transport-metrics.ts';
import { CertificateSource } from './identity/certificate-source.ts';
import type { NodeIdentity } from './identity/node-identity.ts';
import { type ProvenNode, proveNode } from './identity/peer-certificate.ts';
import type { ChannelRole } from './identity/statements.ts';
import { type TransportLimits, transportLimits } from './limits.ts';
import { dialThrough, refusingOnions, type SocksProxy } from './socks.ts';
import { acceptUnix, dialUnix, type UnixProofPorts } from './unix-proof.ts';

/** The one protocol between nodes, as TLS names it. */
const alpn = 'ron/1';

/** A connection whose other end is proven to be a node. */
export interface NodeConnection {
  readonly nodeId: NodeId;
  /** The node's own key, raw Ed25519: of `nodeId` it is the preimage. */
  readonly publicKey: Uint8Array;
  /** 32 bytes that only these two ends share, to bind signatures to this connection. */
  readonly channelBinding: Uint8Array;
  /** What this side is. */
  readonly role: ChannelRole;
  /** Who dialled speaks first, and at most 4 KiB before it has heard from the other side. */
  readonly duplex: Duplex;
}

export interface NodeTransportOptions {
  readonly env: Env;
  /** Through which other nodes are dialled, all of them. Absent: directly, and onion services not at all. */
  readonly socks?: SocksProxy;
  readonly identity: NodeIdentity;
  readonly log: Log;
  readonly metrics: Metrics;
  /**
   * Which addresses of contacts may be dialled: IP addresses, after a name was resolved, and `unix:<path>`. Contacts come
   * from other nodes, so what is not on the public Internet is for nodes whose operator says so.
   */
  readonly mayDial: (address: string) => boolean;
  readonly limits?: Partial<TransportLimits>;
}

/** Connections between this node and others: TLS 1.3 with node-bound certificates, or Unix sockets with signed nonces. */
export interface NodeTransport extends AsyncDisposable {
  [Symbol.asyncDispose](): Promise<void>;
  readonly identity: NodeIdentity;
  readonly metrics: TransportMetrics;
  /** `accept` gets connections whose node is proven; it must `start` their duplex, or they end as idle. */
  listen(address: NetAddress, accept: (connection: NodeConnection) => void): Promise<Listener>;
  /**
   * Rejects with `unavailable`, with `details.reason` a `DialRefusal`, when the node is not reached or is another, and with
   * `deadline_exceeded` after `timeoutMs`, which is at most the handshake's 5 s.
   */
  dial(contact: Contact, timeoutMs: number): Promise<NodeConnection>;
  /** Makes a new certificate now: connections from the next one on show it. It happens by itself in good time. */
  renewCertificate(): Promise<void>;
}

export async function createNodeTransport(options: NodeTransportOptions): Promise<NodeTransport> {
  const { env, identity, log } = options;
  const limits = { ...transportLimits, ...options.limits };
  const certificates = await CertificateSource.open({
    env,
    identity,
    log,
    validityMs: limits.certificateValidityMs,
  });
  return new Transport(options, limits, certificates);
}

class Transport implements NodeTransport {
  readonly identity: NodeIdentity;
  readonly metrics: TransportMetrics;
  readonly #options: NodeTransportOptions;
  readonly #dialling: Net;
  readonly #limits: TransportLimits;
  readonly #certificates: CertificateSource;
  readonly #admission: Admission;
  readonly #watch: ConnectionWatch;
  readonly #listeners = new Set<Listener>();
  #over = false;

  constructor(options: NodeTransportOptions, limits: TransportLimits, certificates: CertificateSource) {
    this.identity = options.identity;
    this.metrics = createTransportMetrics(options.metrics);
    this.#options = options;
    const { env, socks } = options;
    this.#dialling = socks === undefined ? refusingOnions(env.net) : dialThrough(env.net, socks);
    this.#limits = limits;
    this.#certificates = certificates;
    this.#admission = new Admission(limits);
    this.#watch = new ConnectionWatch(options.env.clock, limits, (reason) => this.metrics.cut(reason));
  }

  async listen(address: NetAddress, accept: (connection: NodeConnection) => void): Promise<Listener> {
    const { net } = this.#options.env;
    const { handshakeTimeoutMs, handshakeBytesMax } = this.#limits;
    const listener =
      address.kind === 'unix'
        ? await net.listen(address, (duplex) => void this.#acceptUnix(duplex, accept))
        : await net.listenTls(
            address,
            {
              identity: () => this.#certificates.tls(),
              alpn,
              handshakeTimeoutMs,
              handshakeBytesMax,
              admit: (remote) => this.#admit(remote),
              failed: (remote, reason) => {
                this.#admission.handshakeOver(remote);
                this.#admission.leave(remote);
                this.metrics.refused(reason);
              },
            },
            (duplex) => this.#acceptTls(duplex, accept),
          );
    this.#listeners.add(listener);
    const close = async (graceMs: number) => {
      this.#listeners.delete(listener);
      await listener.close(graceMs);
    };
    return { address: listener.address, close, [Symbol.asyncDispose]: () => close(0) };
  }

  async dial(contact: Contact, timeoutMs: number): Promise<NodeConnection> {
    if (this.#over) throw new RonError('unavailable', 'the node is stopping');
    if (contact.id === this.identity.nodeId) throw this.#undialled('self');
    const address = this.#addressOf(contact);
    const allowedMs = Math.min(timeoutMs, this.#limits.handshakeTimeoutMs);
    try {
      return address.kind === 'unix'
        ? await this.#dialUnix(contact, address, allowedMs)
        : await this.#dialTls(contact, address, allowedMs);
    } catch (error) {
      if (error instanceof RonError) throw error;
      throw this.#undialled(dialRefusals.get(errorCode(error) ?? '') ?? 'unreachable', error);
    }
  }

  renewCertificate(): Promise<void> {
    return this.#certificates.renew();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    this.#certificates[Symbol.dispose]();
    const closed = [...this.#listeners].map((listener) => listener.close(0));
    this.#watch[Symbol.dispose]();
    await Promise.all(closed);
  }

  #admit(remote: string): boolean {
    const refusal = this.#over ? 'over_capacity' : this.#admission.admit(remote);
    if (refusal !== undefined) this.metrics.refused(refusal);
    return refusal === undefined;
  }

  #acceptTls(duplex: TlsDuplex, accept: (connection: NodeConnection) => void): void {
    this.#admission.handshakeOver(duplex.remote);
    const { clock, work } = this.#options.env;
    const proven = proveNode(duplex.peer.certificateDer, { nowMs: clock.wallMs(), work });
    this.#handOn(duplex, proven, duplex.peer.channelBinding, accept);
  }

  async #acceptUnix(duplex: Duplex, accept: (connection: NodeConnection) => void): Promise<void> {
    if (!this.#admit(duplex.remote)) {
      duplex.destroy();
      return;
    }
    const outcome = await acceptUnix(duplex, this.#unixPorts()).catch((err: unknown) => {
      this.#options.log.error({ err }, 'the node could not prove itself');
      return 'identity' as const;
    });
    this.#admission.handshakeOver(duplex.remote);
    if (typeof outcome === 'string') this.#handOn(duplex, outcome, noBinding, accept);
    else this.#handOn(outcome.duplex, outcome, outcome.channelBinding, accept);
  }

  /** The last step of an accepted connection: it is a node's that may have one more, or it ends here. */
  #handOn(
    duplex: Duplex,
    proven: ProvenNode | Parameters<TransportMetrics['refused']>[0],
    channelBinding: Uint8Array,
    accept: (connection: NodeConnection) => void,
  ): void {
    const refusal = typeof proven === 'string' ? proven : this.#admission.admitNode(proven.nodeId);
    if (refusal !== undefined || typeof proven === 'string') {
      this.metrics.refused(refusal as Parameters<TransportMetrics['refused']>[0]);
      this.#admission.leave(duplex.remote);
      duplex.destroy();
      return;
    }
    const { nodeId, publicKey } = proven;
    this.metrics.opened('accepted');
    const watched = this.#watch.watch(duplex, () => {
      this.#admission.leaveNode(nodeId);
      this.#admission.leave(duplex.remote);
      this.metrics.closed('accepted');
    });
    accept({ nodeId, publicKey, channelBinding, role: 'acceptor', duplex: watched });
  }

  async #dialTls(contact: Contact, address: NetAddress, timeoutMs: number): Promise<NodeConnection> {
    const { env, mayDial } = this.#options;
    const { handshakeBytesMax } = this.#limits;
    const identity = this.#certificates.tls();
    const duplex = await this.#dialling.dialTls(address, { identity, alpn, timeoutMs, handshakeBytesMax, mayDial });
    const { certificateDer, channelBinding } = duplex.peer;
    const proven = proveNode(certificateDer, { nowMs: env.clock.wallMs(), nodeId: contact.id, work: env.work });
    if (typeof proven === 'string') {
      duplex.destroy();
      throw this.#undialled(proven);
    }
    return this.#dialled(duplex, proven, channelBinding);
  }

  async #dialUnix(
    contact: Contact,
    address: NetAddress & { kind: 'unix' },
    timeoutMs: number,
  ): Promise<NodeConnection> {
    if (!this.#options.mayDial(`unix:${address.path}`)) throw this.#undialled('policy');
    const duplex = await this.#options.env.net.dial(address, timeoutMs);
    const outcome = await dialUnix(duplex, { ...this.#unixPorts(), timeoutMs }, contact.id).catch((error: unknown) => {
      duplex.destroy();
      throw error;
    });
    if (typeof outcome !== 'string') return this.#dialled(outcome.duplex, outcome, outcome.channelBinding);
    duplex.destroy();
    throw this.#undialled(outcome === 'closed' || outcome === 'malformed' ? 'handshake' : outcome);
  }

  #dialled(duplex: Duplex, { nodeId, publicKey }: ProvenNode, channelBinding: Uint8Array): NodeConnection {
    if (this.#over) {
      duplex.destroy();
      throw new RonError('unavailable', 'the node is stopping');
    }
    this.metrics.opened('dialled');
    const watched = this.#watch.watch(duplex, () => this.metrics.closed('dialled'));
    return { nodeId, publicKey, channelBinding, role: 'dialler', duplex: watched };
  }

  #addressOf({ address }: Contact): NetAddress {
    try {
      return parseNetAddress(address);
    } catch (cause) {
      throw this.#undialled('unreachable', cause);
    }
  }

  #undialled(reason: DialRefusal, cause?: unknown): RonError {
    this.metrics.undialled(reason);
    if (reason === 'timeout') return new RonError('deadline_exceeded', 'the node did not answer in time', { cause });
    return new RonError('unavailable', 'the node is not reached', { cause, details: { reason } });
  }

  #unixPorts(): UnixProofPorts {
    const { clock, random, work } = this.#options.env;
    return { clock, random, work, identity: this.identity, timeoutMs: this.#limits.handshakeTimeoutMs };
  }
}

const noBinding = new Uint8Array(0);

const dialRefusals: ReadonlyMap<string, DialRefusal> = new Map([
  ['ETIMEDOUT', 'timeout'],
  ['EACCES', 'policy'],
  ['EPROTO', 'handshake'],
]);
