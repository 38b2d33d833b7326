import type { Duplex } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';
import type { Channels } from '@ron/svc-overlay/service';
import type { NodeConnection, NodeLinks } from '@ron/transport';

/** The connections of this node to others and of others to it, by what a hello is signed for. */
export class OpenChannels implements Channels {
  readonly #links: NodeLinks;
  /** Those that others opened; the transport bounds how many. */
  readonly #accepted = new Map<NodeId, NodeConnection[]>();

  constructor(links: NodeLinks) {
    this.#links = links;
  }

  async dial(to: { readonly id: NodeId; readonly address: string }, timeoutMs: number) {
    const binding = await this.#links.channelBinding(to, timeoutMs);
    return { peer: to.id, role: 'initiator', binding } as const;
  }

  accepted(peer: NodeId, binding: Uint8Array | undefined) {
    return binding && ({ peer, role: 'responder', binding } as const);
  }

  /** The connection's duplex, which is forgotten here when it closes. */
  take(connection: NodeConnection): Duplex {
    const { nodeId, duplex } = connection;
    this.#accepted.set(nodeId, [...(this.#accepted.get(nodeId) ?? []), connection]);
    return {
      remote: duplex.remote,
      write: (pieces) => duplex.write(pieces),
      setReading: (on) => duplex.setReading(on),
      close: () => duplex.close(),
      destroy: () => duplex.destroy(),
      start: (events) =>
        duplex.start({
          data: (bytes) => events.data(bytes),
          drain: () => events.drain(),
          close: (reason) => {
            this.#forget(connection);
            events.close(reason);
          },
        }),
    };
  }

  /** Ends what a node has opened. */
  drop(nodeId: NodeId): void {
    for (const { duplex } of this.#accepted.get(nodeId) ?? []) duplex.destroy();
    this.#links.drop(nodeId);
  }

  #forget(connection: NodeConnection): void {
    const left = this.#accepted.get(connection.nodeId)?.filter((other) => other !== connection) ?? [];
    if (left.length === 0) this.#accepted.delete(connection.nodeId);
    else this.#accepted.set(connection.nodeId, left);
  }
}
