import net from 'node:net';

/** Stands between a client and a server, both on Unix sockets. */
export interface SocketProxy extends AsyncDisposable {
  /** The connections of now pass nothing on any more, and stay open; new ones work. */
  silence(): void;
}

export async function startSocketProxy(path: string, target: string): Promise<SocketProxy> {
  const pairs: (readonly [net.Socket, net.Socket])[] = [];
  const server = net.createServer((inner) => {
    const outer = net.connect(target);
    pairs.push([inner, outer]);
    // Who talks over it finds out by himself.
    for (const each of [inner, outer]) each.on('error', () => undefined);
    inner.pipe(outer);
    outer.pipe(inner);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    silence() {
      for (const [inner, outer] of pairs) {
        inner.unpipe(outer);
        outer.unpipe(inner);
      }
    },
    async [Symbol.asyncDispose]() {
      for (const pair of pairs) for (const each of pair) each.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
