import nodeNet from 'node:net';
import { Duplex } from 'node:stream';
import nodeTls from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import type { TlsDuplex, TlsFailure } from '../env/tls.ts';
import { createTestIdentity } from './http/test-identity.ts';
import { createRealNet } from './net.ts';

const here = createTestIdentity('here');
const there = createTestIdentity('there');
const limits = { alpn: 'ron/1', handshakeBytesMax: 16_384 } as const;

/** A server that collects what its connections say. */
async function listen() {
  const net = createRealNet();
  const failures: TlsFailure[] = [];
  const accepted: TlsDuplex[] = [];
  const waiting: ((connection: TlsDuplex) => void)[] = [];
  const listener = await net.listenTls(
    { kind: 'tcp', host: '127.0.0.1', port: 0 },
    {
      ...limits,
      identity: () => there,
      handshakeTimeoutMs: 5_000,
      admit: () => true,
      failed: (_remote, reason) => failures.push(reason),
    },
    (connection) => {
      accepted.push(connection);
      waiting.shift()?.(connection);
    },
  );
  onTestFinished(() => listener.close(0));
  const { address } = listener;
  const next = () => new Promise<TlsDuplex>((resolve) => waiting.push(resolve));
  return { net, address, port: address.kind === 'tcp' ? address.port : 0, failures, next };
}

/** The wire of a TLS client, of which the first half of the next write after `cut` is the last that arrives. */
function cuttable(port: number, how: 'FIN' | 'RST') {
  const wire = nodeNet.connect(port, '127.0.0.1');
  let isCut = false;
  const relay = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      wire.write(isCut ? chunk.subarray(0, chunk.length >> 1) : chunk, () => {
        if (isCut && how === 'FIN') wire.end();
        else if (isCut) wire.resetAndDestroy();
        done();
      });
    },
  });
  wire.on('data', (piece) => relay.push(piece));
  wire.on('error', () => relay.destroy());
  const cut = () => {
    isCut = true;
  };
  return { relay, cut, closed: new Promise<void>((resolve) => wire.once('close', () => resolve())) };
}

test.each(['FIN', 'RST'] as const)(
  'a %s in the middle of a record ends that connection, without a byte of the record',
  async (how) => {
    const { net, address, port, failures, next } = await listen();
    const { relay, cut, closed } = cuttable(port, how);
    const options = { cert: here.certificateChainPem, key: here.keyPem, ALPNProtocols: ['ron/1'] };
    const coming = next();
    const client = nodeTls.connect({ ...options, rejectUnauthorized: false, socket: relay });
    client.on('error', () => undefined);
    const connection = await coming;
    let text = '';
    const whole = Promise.withResolvers<void>();
    const over = new Promise<void>((resolve) => {
      connection.start({
        data: (piece) => {
          text += new TextDecoder().decode(piece);
          if (text === 'whole') whole.resolve();
        },
        drain: () => undefined,
        close: () => resolve(),
      });
    });
    client.write('whole');
    await whole.promise;
    cut();
    client.write('torn');
    await over;
    expect(text).toBe('whole');
    const other = next();
    const dialled = await net.dialTls(address, { ...limits, identity: here, timeoutMs: 5_000, mayDial: () => true });
    await other;
    dialled.destroy();
    connection.destroy();
    client.destroy();
    await closed;
    expect(failures).toEqual([]);
  },
);
