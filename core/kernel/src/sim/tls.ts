import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { TlsIdentity } from '../env/http.ts';
import type { Duplex, NetAddress } from '../env/net.ts';
import { SystemError } from '../env/system-error.ts';
import type { TlsDialOptions, TlsDuplex, TlsFailure, TlsListenOptions } from '../env/tls.ts';
import { createInlineWork } from '../real/work.ts';
import type { SimDuplex } from './duplex.ts';
import type { SimRandom } from './random.ts';
import type { SimClock } from './scheduler.ts';
import { type Greeting, SimTlsDuplex } from './tls-duplex.ts';

/**
 * TLS as far as programs see it, without ciphers: each side says one line with its protocol, its certificates and 32 random
 * bytes, and the channel binding is a digest of both. The line travels on the simulated wire, so that slow, silent, plain
 * and broken peers are met in virtual time as they are met in real.
 */
export interface SimTlsPorts {
  readonly clock: SimClock;
  readonly random: SimRandom;
}

export const simTlsVersion = '1.3';

export function simTlsAccept(
  wire: SimDuplex,
  { clock, random }: SimTlsPorts,
  options: TlsListenOptions,
  accept: (connection: TlsDuplex) => void,
): void {
  const { remote } = wire;
  if (!options.admit(remote)) {
    wire.destroy();
    return;
  }
  let mine: Greeting;
  try {
    mine = greetingOf(options.identity(), options.alpn, random);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    options.failed(remote, 'identity');
    wire.destroy();
    return;
  }
  const fail = (reason: TlsFailure): void => {
    timer.cancel();
    connection.destroy();
    options.failed(remote, reason);
  };
  const connection = new SimTlsDuplex(wire, options.handshakeBytesMax, {
    failed: fail,
    greeted: (theirs) => {
      const reason = refusalOf(theirs, options.alpn);
      if (reason !== undefined) return fail(reason);
      timer.cancel();
      connection.greet(mine);
      connection.secured(peerOf(theirs, bindingOf(theirs, mine)));
      accept(connection);
    },
  });
  const timer = clock.after(options.handshakeTimeoutMs, () => fail('timeout'), 'handshake');
  connection.begin();
}

export async function simTlsDial(
  address: NetAddress,
  { clock, random }: SimTlsPorts,
  options: TlsDialOptions,
  dial: (address: NetAddress, timeoutMs: number) => Promise<Duplex>,
): Promise<TlsDuplex> {
  const endMs = clock.monotonicMs() + options.timeoutMs;
  const mine = greetingOf(options.identity, options.alpn, random);
  if (address.kind === 'tcp' && !options.mayDial(address.host)) {
    throw new SystemError('EACCES', `${address.host} may not be dialled`);
  }
  const wire = (await dial(address, options.timeoutMs)) as SimDuplex;
  return new Promise((resolve, reject) => {
    const end = (error: SystemError): void => {
      timer.cancel();
      connection.destroy();
      reject(error);
    };
    const fail = (reason: TlsFailure): void => end(new SystemError('EPROTO', `TLS: ${reason}`));
    const connection = new SimTlsDuplex(wire, options.handshakeBytesMax, {
      failed: fail,
      greeted: (theirs) => {
        const reason = refusalOf(theirs, options.alpn);
        if (reason !== undefined) return fail(reason);
        timer.cancel();
        connection.secured(peerOf(theirs, bindingOf(mine, theirs)));
        resolve(connection);
      },
    });
    const late = () => end(new SystemError('ETIMEDOUT', `no connection within ${options.timeoutMs} ms`));
    const timer = clock.after(Math.max(0, endMs - clock.monotonicMs()), late, 'handshake');
    const greet = (): void => {
      connection.begin();
      connection.greet(mine);
    };
    if (options.prelude === undefined) greet();
    else options.prelude(connection.clearText()).then(greet, (error: Error) => end(asSystemError(error)));
  });
}

function asSystemError(error: Error): SystemError {
  return error instanceof SystemError ? error : new SystemError('EPROTO', error.message, { cause: error });
}

const pairs = new WeakSet<TlsIdentity>();

/** As real TLS does, nobody can present a certificate without its private key. */
function greetingOf(identity: TlsIdentity, alpn: string, random: SimRandom): Greeting {
  if (!pairs.has(identity)) {
    try {
      const certificate = new X509Certificate(identity.certificateChainPem);
      if (!certificate.checkPrivateKey(createPrivateKey(identity.keyPem))) throw new Error('another key');
    } catch (cause) {
      throw new SystemError('EINVAL', 'certificate and key are no pair in PEM', { cause });
    }
    pairs.add(identity);
  }
  const bytes = Buffer.from(random.bytes(32)).toString('hex');
  return { tls: simTlsVersion, alpn, chain: identity.certificateChainPem, random: bytes };
}

function refusalOf({ tls, alpn, chain }: Greeting, wanted: string): TlsFailure | undefined {
  if (tls !== simTlsVersion) return 'version';
  if (alpn !== wanted) return 'alpn';
  return chain === '' ? 'no_certificate' : undefined;
}

function peerOf({ chain }: Greeting, channelBinding: Uint8Array) {
  const first = /-----BEGIN CERTIFICATE-----([^-]*)-----END/.exec(chain)?.[1] ?? '';
  return { certificateDer: new Uint8Array(Buffer.from(first, 'base64')), channelBinding, group: undefined };
}

const work = createInlineWork();

function bindingOf(dialler: Greeting, acceptor: Greeting): Uint8Array {
  return new Uint8Array(work.blake3(Buffer.from(JSON.stringify([dialler, acceptor]))));
}
