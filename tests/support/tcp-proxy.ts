import net from 'node:net';

/** Stands between a client and a node, and breaks their connections when told. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Bytes that passed towards the node. */
  readonly sentBytes: number;
  /** Resets every connection of now; new ones work. */
  cut(): void;
}

export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const sockets = new Set<net.Socket>();
  let sentBytes = 0;
  const server = net.createServer((inner) => {
    const outer = net.connect(target);
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(socket);
      // Whatever ends one side ends the other; the reason is theirs to report.
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    inner.on('data', (bytes) => {
      sentBytes += bytes.length;
    });
    inner.pipe(outer);
    outer.pipe(inner);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as net.AddressInfo).port,
    get sentBytes() {
      return sentBytes;
    },
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
