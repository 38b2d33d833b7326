import { X509Certificate } from 'node:crypto';
import nodeNet from 'node:net';
import nodeTls from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TlsIdentity } from '../env/http.ts';
import type { Duplex, Net, NetAddress } from '../env/net.ts';
import type { TlsDialOptions, TlsDuplex, TlsFailure, TlsListenOptions } from '../env/tls.ts';
import { createSimEnv } from '../sim/world.ts';
import { createTestIdentity } from './http/test-identity.ts';
import { createRealNet } from './net.ts';

const here = createTestIdentity('here');
const there = createTestIdentity('there');
const anyPort: NetAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 };
const bytes = (text: string) => new TextEncoder().encode(text);
const der = ({ certificateChainPem }: TlsIdentity) => new Uint8Array(new X509Certificate(certificateChainPem).raw);

interface Side {
  readonly net: Net;
  run<T>(work: Promise<T>): Promise<T>;
}

const nets: [string, () => Side][] = [
  ['real', () => ({ net: createRealNet(), run: (work) => work })],
  [
    'simulated',
    () => {
      const env = createSimEnv({ seed: 1 });
      return { net: env.net, run: (work) => env.scheduler.settle(work) };
    },
  ],
];

class Server {
  readonly failures: TlsFailure[] = [];
  readonly admitted: string[] = [];
  readonly accepted: TlsDuplex[] = [];
  identity: TlsIdentity = there;
  #wake: () => void = () => undefined;

  options(changes: Partial<TlsListenOptions> = {}): TlsListenOptions {
    return {
      identity: () => this.identity,
      alpn: 'ron/1',
      handshakeTimeoutMs: 5_000,
      handshakeBytesMax: 16_384,
      admit: (remote) => this.admitted.push(remote) > 0,
      failed: (_remote, reason) => this.#changed(() => this.failures.push(reason)),
      ...changes,
    };
  }

  accept = (connection: TlsDuplex): void => this.#changed(() => this.accepted.push(connection));

  async until(condition: (server: this) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  #changed(change: () => void): void {
    change();
    this.#wake();
  }
}

const dialOptions = (changes: Partial<TlsDialOptions> = {}): TlsDialOptions => ({
  identity: here,
  alpn: 'ron/1',
  timeoutMs: 5_000,
  handshakeBytesMax: 16_384,
  mayDial: () => true,
  ...changes,
});

/** Everything that comes until the end. */
function heard(duplex: Duplex): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    duplex.start({
      data: (piece) => (text += new TextDecoder().decode(piece)),
      drain: () => undefined,
      close: () => resolve(text),
    });
  });
}

async function listen(side: Side, changes: Partial<TlsListenOptions> = {}) {
  const server = new Server();
  const listener = await side.run(side.net.listenTls(anyPort, server.options(changes), server.accept));
  onTestFinished(() => listener.close(0));
  return { server, address: listener.address };
}

describe.each(nets)('%s TLS', (_name, makeSide) => {
  test('both sides see the certificate of the other and one channel binding; bytes pass', async () => {
    const side = makeSide();
    const { server, address } = await listen(side);
    const first = await side.run(side.net.dialTls(address, dialOptions()));
    const second = await side.run(side.net.dialTls(address, dialOptions()));
    await side.run(server.until(({ accepted }) => accepted.length === 2));
    expect(first.peer.certificateDer).toEqual(der(there));
    expect(server.accepted[0]?.peer.certificateDer).toEqual(der(here));
    expect(first.peer.channelBinding).toHaveLength(32);
    expect(server.accepted[0]?.peer.channelBinding).toEqual(first.peer.channelBinding);
    expect(second.peer.channelBinding).not.toEqual(first.peer.channelBinding);
    first.write([bytes('one '), bytes('two')]);
    first.close();
    expect(await side.run(heard(server.accepted[0] as TlsDuplex))).toBe('one two');
    second.destroy();
    expect(server.failures).toEqual([]);
  });

  test('the next connection sees a renewed certificate, and an open one goes on', async () => {
    const side = makeSide();
    const { server, address } = await listen(side);
    const before = await side.run(side.net.dialTls(address, dialOptions()));
    server.identity = createTestIdentity('renewed');
    const after = await side.run(side.net.dialTls(address, dialOptions()));
    expect(before.peer.certificateDer).toEqual(der(there));
    expect(after.peer.certificateDer).toEqual(der(server.identity));
    await side.run(server.until(({ accepted }) => accepted.length === 2));
    before.write([bytes('still')]);
    before.close();
    expect(await side.run(heard(server.accepted[0] as TlsDuplex))).toBe('still');
    after.destroy();
  });

  test('who is not admitted, speaks another protocol, or shows nothing that fits its key', async () => {
    const side = makeSide();
    const refusing = await listen(side, { admit: () => false });
    await expect(side.run(side.net.dialTls(refusing.address, dialOptions()))).rejects.toMatchObject({ code: 'EPROTO' });
    const { server, address } = await listen(side);
    const other = side.net.dialTls(address, dialOptions({ alpn: 'h2' }));
    await expect(side.run(other)).rejects.toMatchObject({ code: 'EPROTO' });
    await side.run(server.until(({ failures }) => failures.length === 1));
    const stolen = { certificateChainPem: there.certificateChainPem, keyPem: here.keyPem };
    const thief = side.net.dialTls(address, dialOptions({ identity: stolen }));
    await expect(side.run(thief)).rejects.toMatchObject({ code: 'EINVAL' });
    server.identity = stolen;
    await expect(side.run(side.net.dialTls(address, dialOptions()))).rejects.toMatchObject({ code: 'EPROTO' });
    expect(server.failures).toEqual(['alpn', 'identity']);
    expect(server.accepted).toEqual([]);
  });

  test('an address that may not be dialled, a Unix path to listen at, nobody there', async () => {
    const side = makeSide();
    const forbidden = side.net.dialTls(anyPort, dialOptions({ mayDial: (host) => host !== '127.0.0.1' }));
    await expect(side.run(forbidden)).rejects.toMatchObject({ code: 'EACCES' });
    const { server, address } = await listen(side);
    await expect(side.net.listenTls(address, server.options(), server.accept)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    const unix = side.net.listenTls({ kind: 'unix', path: '/x' }, server.options(), server.accept);
    await expect(unix).rejects.toMatchObject({ code: 'EINVAL' });
    const nobody: NetAddress = { kind: 'tcp', host: '127.0.0.1', port: 1 };
    await expect(side.run(side.net.dialTls(nobody, dialOptions()))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('bytes in clear text end the handshake; who says nothing is cut', async () => {
    const side = makeSide();
    const { server, address } = await listen(side, { handshakeTimeoutMs: 30 });
    const plain = await side.run(side.net.dial(address, 1_000));
    plain.write([bytes('GET / HTTP/1.1\r\n\r\n')]);
    await side.run(heard(plain));
    await side.run(server.until(({ failures }) => failures.length === 1));
    const silent = await side.run(side.net.dial(address, 1_000));
    await side.run(heard(silent));
    await side.run(server.until(({ failures }) => failures.length === 2));
    expect(server.failures).toEqual(['malformed', 'timeout']);
  });

  test('a prelude speaks first; one that waits for ever ends with the time', async () => {
    const side = makeSide();
    const { server, address } = await listen(side);
    // A relay that wants to be asked.
    const relay = await side.run(
      side.net.listen(anyPort, (from) => {
        let to: Duplex | undefined;
        from.start({
          data: (piece) => {
            if (to !== undefined) return void to.write([piece]);
            void side.net.dial(address, 1_000).then((made) => {
              to = made;
              const close = () => from.close();
              made.start({ data: (back) => void from.write([back]), drain: () => undefined, close });
              from.write([bytes('go')]);
            });
          },
          drain: () => undefined,
          close: () => to?.close(),
        });
      }),
    );
    onTestFinished(() => relay.close(0));
    const prelude = (wire: Duplex) =>
      new Promise<void>((resolve) => {
        wire.start({ data: () => resolve(), drain: () => undefined, close: () => undefined });
        wire.write([bytes('please')]);
      });
    const through = await side.run(side.net.dialTls(relay.address, dialOptions({ prelude })));
    expect(through.peer.certificateDer).toEqual(der(there));
    await side.run(server.until(({ accepted }) => accepted.length === 1));
    through.write([bytes('through')]);
    through.close();
    expect(await side.run(heard(server.accepted[0] as TlsDuplex))).toBe('through');
    const stuck = dialOptions({ timeoutMs: 30, prelude: () => new Promise(() => undefined) });
    await expect(side.run(side.net.dialTls(relay.address, stuck))).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  });
});

describe('on the wire', () => {
  const real = nets[0]?.[1]() as Side;
  const clientOptions = (port: number): nodeTls.ConnectionOptions => ({
    host: '127.0.0.1',
    port,
    cert: here.certificateChainPem,
    key: here.keyPem,
    ALPNProtocols: ['ron/1'],
    rejectUnauthorized: false,
  });
  const portOf = (address: NetAddress) => (address.kind === 'tcp' ? address.port : 0);
  const ended = (socket: nodeNet.Socket) =>
    new Promise<void>((resolve) => socket.on('error', () => undefined).once('close', () => resolve()));

  test('the key exchange is hybrid, and falls back to X25519 and P-256', async () => {
    const { server, address } = await listen(real);
    const dialled = await real.net.dialTls(address, dialOptions());
    expect(dialled.peer.group).toBe('X25519MLKEM768');
    const others = ['X25519', 'P-256'].map((ecdhCurve) =>
      nodeTls.connect({ ...clientOptions(portOf(address)), ecdhCurve }),
    );
    await server.until(({ accepted }) => accepted.length === 3);
    for (const socket of [dialled, ...others]) socket.destroy();
  });

  test.each<[string, nodeTls.ConnectionOptions, TlsFailure]>([
    ['TLS 1.2', { maxVersion: 'TLSv1.2' }, 'version'],
    ['a weak group', { ecdhCurve: 'P-521' }, 'malformed'],
    ['no certificate', { cert: undefined, key: undefined }, 'no_certificate'],
    ['no protocol', { ALPNProtocols: undefined }, 'alpn'],
  ])('%s is refused', async (_what, changes, reason) => {
    const { server, address } = await listen(real);
    const options = { ...clientOptions(portOf(address)), ...changes };
    if (changes.cert === undefined && 'cert' in changes) {
      delete options.cert;
      delete options.key;
    }
    if ('ALPNProtocols' in changes) delete options.ALPNProtocols;
    await ended(nodeTls.connect(options));
    await server.until(({ failures }) => failures.length > 0);
    expect(server.failures).toEqual([reason]);
    expect(server.accepted).toEqual([]);
  });

  test('a chain of 16 KiB is refused, though its first certificate is good', async () => {
    const { server, address } = await listen(real);
    const others = Array.from({ length: 75 }, () => createTestIdentity('ballast').certificateChainPem);
    const cert = [here.certificateChainPem, ...others].join('');
    await ended(nodeTls.connect({ ...clientOptions(portOf(address)), cert }));
    await server.until(({ failures }) => failures.length > 0);
    expect(server.failures).toEqual(['too_large']);
  });

  test('no session is resumed', async () => {
    const { server, address } = await listen(real);
    const first = nodeTls.connect(clientOptions(portOf(address)));
    const session = await new Promise<Buffer>((resolve) => first.once('session', resolve));
    const second = nodeTls.connect({ ...clientOptions(portOf(address)), session });
    await new Promise((resolve) => second.once('secureConnect', resolve));
    expect(second.isSessionReused()).toBe(false);
    await server.until(({ accepted }) => accepted.length === 2);
    first.destroy();
    second.destroy();
  });

  test('a handshake whose bytes come one by one ends well; without its last byte it is cut in time', async () => {
    // Two wires: what a client says first is recorded, then said byte by byte.
    const { server, address } = await listen(real, { handshakeTimeoutMs: 100 });
    const relay = nodeNet.createServer((from) => {
      const to = nodeNet.connect({ host: '127.0.0.1', port: portOf(address), noDelay: true });
      to.pipe(from);
      from.on('data', (piece: Buffer) => {
        for (const byte of piece) to.write(Uint8Array.of(byte));
      });
      for (const socket of [from, to]) socket.on('error', () => undefined);
      from.on('close', () => to.destroy());
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void relay.close());
    const { port } = relay.address() as nodeNet.AddressInfo;
    const dialled = await real.net.dialTls({ kind: 'tcp', host: '127.0.0.1', port }, dialOptions());
    await server.until(({ accepted }) => accepted.length === 1);
    dialled.destroy();
    const half = nodeNet.connect({ host: '127.0.0.1', port: portOf(address) });
    half.write(Buffer.from('1603010200010001fc0303', 'hex'));
    await ended(half);
    await server.until(({ failures }) => failures.length === 1);
    expect(server.failures).toEqual(['timeout']);
  });

  test('bytes that come slowly and for ever do not get a handshake more time', async () => {
    const { server, address } = await listen(real, { handshakeTimeoutMs: 60 });
    const slow = nodeNet.connect({ host: '127.0.0.1', port: portOf(address), noDelay: true });
    // A record of 16 KiB that would take minutes.
    slow.write(Buffer.from('16030140000100', 'hex'));
    const trickle = setInterval(() => slow.write(Uint8Array.of(0)), 5);
    await ended(slow);
    clearInterval(trickle);
    await server.until(({ failures }) => failures.length === 1);
    expect(server.failures).toEqual(['timeout']);
  });

  test.each(['end', 'resetAndDestroy'] as const)(
    '%s in the middle of a record ends the connection, once',
    async (how) => {
      const { server, address } = await listen(real);
      const relay = nodeNet.createServer((from) => {
        const to = nodeNet.connect({ host: '127.0.0.1', port: portOf(address) });
        to.pipe(from);
        let passedBytes = 0;
        from.on('data', (piece: Buffer) => {
          passedBytes += piece.byteLength;
          if (passedBytes < 20_000) return void to.write(piece);
          to.write(piece.subarray(0, 100), () => to[how]());
        });
        for (const socket of [from, to]) socket.on('error', () => undefined);
        to.on('close', () => from.destroy());
      });
      await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void relay.close());
      const { port } = relay.address() as nodeNet.AddressInfo;
      const dialled = await real.net.dialTls({ kind: 'tcp', host: '127.0.0.1', port }, dialOptions());
      await server.until(({ accepted }) => accepted.length === 1);
      const closes: (Error | undefined)[] = [];
      let receivedBytes = 0;
      const closed = new Promise<void>((resolve) => {
        server.accepted[0]?.start({
          data: (piece) => (receivedBytes += piece.byteLength),
          drain: () => undefined,
          close: (reason) => {
            closes.push(reason);
            resolve();
          },
        });
      });
      dialled.write([new Uint8Array(200_000)]);
      await closed;
      dialled.destroy();
      expect(closes).toHaveLength(1);
      expect(receivedBytes).toBeLessThan(200_000);
      // TLS libraries differ in whether an end without goodbye is one; a reset is an error everywhere.
      if (how === 'resetAndDestroy') expect(closes[0]).toMatchObject({ code: 'ECONNRESET' });
    },
  );
});
