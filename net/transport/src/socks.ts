import { type Duplex, type Net, type NetAddress, SystemError, type TlsDialOptions } from '@ron/kernel';

/** A SOCKS5 proxy (RFC 1928), such as Tor's. It is the operator's: whatever its address, it may be dialled. */
export interface SocksProxy {
  readonly address: NetAddress;
  /** 1–255 bytes each (RFC 1929). They go over the wire as they are: the proxy is on this machine, or the wire is trusted. */
  readonly credentials?: { readonly user: string; readonly password: string };
}

/** The longest answer: four bytes, a name of 255 with its length, a port. */
const replyBytesMax = 4 + 1 + 255 + 2;
const version = 5;
const method = { none: 0, password: 2 } as const;
const addressKind = { ipv4: 1, name: 3, ipv6: 4 } as const;

const failures: Readonly<Record<number, readonly [string, string]>> = {
  1: ['EPROTO', 'the proxy failed'],
  2: ['EACCES', 'the proxy does not allow it'],
  3: ['ENETUNREACH', 'the network is unreachable'],
  4: ['EHOSTUNREACH', 'the host is unreachable'],
  5: ['ECONNREFUSED', 'the host refused'],
  6: ['ETIMEDOUT', 'the host did not answer the proxy'],
  7: ['EPROTO', 'the proxy cannot connect'],
  8: ['EPROTO', 'the proxy does not know this kind of address'],
};

/**
 * The same network, with all dialling of TLS through a proxy. Names are passed on as they are, so that they are resolved
 * where the proxy is; `mayDial` is asked about IP addresses and about `localhost`, and not about other names. Time-outs
 * are those of the dial.
 */
export function dialThrough(net: Net, proxy: SocksProxy): Net {
  return {
    listen: (address, accept) => net.listen(address, accept),
    dial: (address, timeoutMs) => net.dial(address, timeoutMs),
    listenTls: (address, options, accept) => net.listenTls(address, options, accept),
    serveHttp: (address, limits, handler) => net.serveHttp(address, limits, handler),
    async dialTls(address, options) {
      if (address.kind === 'unix') throw new SystemError('EINVAL', 'a proxy reaches hosts only');
      const request = encodeRequest(address.host, address.port);
      judgeHost(address.host, options);
      const prelude = (wire: Duplex) => speak(wire, proxy, request);
      return net.dialTls(proxy.address, { ...options, mayDial: () => true, prelude });
    },
  };
}

/** The same network, which dials no onion services: only a proxy finds them, and no resolver is to hear their names. */
export function refusingOnions(net: Net): Net {
  return {
    listen: (address, accept) => net.listen(address, accept),
    dial: (address, timeoutMs) => net.dial(address, timeoutMs),
    listenTls: (address, options, accept) => net.listenTls(address, options, accept),
    serveHttp: (address, limits, handler) => net.serveHttp(address, limits, handler),
    async dialTls(address, options) {
      // RFC 7686: such names are never looked up.
      if (address.kind === 'tcp' && /\.onion\.?$/i.test(address.host)) {
        throw new SystemError('EACCES', 'onion services are dialled through a proxy only: network.socks');
      }
      return await net.dialTls(address, options);
    },
  };
}

function judgeHost(host: string, { mayDial }: TlsDialOptions): void {
  const isName = ipv4Of(host) === undefined && !host.includes(':') && !/^(.*\.)?localhost\.?$/i.test(host);
  if (!isName && !mayDial(host)) throw new SystemError('EACCES', `${host} may not be dialled`);
}

async function speak(wire: Duplex, { credentials }: SocksProxy, request: Uint8Array): Promise<void> {
  const answers = new Answers(wire);
  const offered = credentials === undefined ? [method.none] : [method.none, method.password];
  wire.write([Uint8Array.of(version, offered.length, ...offered)]);
  const [spoken, chosen] = await answers.take(2);
  if (spoken !== version) throw new SystemError('EPROTO', 'this is no SOCKS5 proxy');
  if (!offered.includes(chosen as 0)) throw new SystemError('EACCES', 'the proxy wants another authentication');
  if (chosen === method.password && credentials !== undefined) {
    wire.write([encodeCredentials(credentials)]);
    const [, status] = await answers.take(2);
    if (status !== 0) throw new SystemError('EACCES', 'the proxy refused user and password');
  }
  wire.write([request]);
  const [again, status, , kind] = await answers.take(4);
  if (again !== version) throw new SystemError('EPROTO', 'the proxy answered something else');
  if (status !== 0) {
    const [code, message] = failures[status as number] ?? ['EPROTO', 'the proxy failed'];
    throw new SystemError(code, message);
  }
  // Where the proxy connects from: of no use, but it has to be read to its end.
  if (kind === addressKind.ipv4) await answers.take(4 + 2);
  else if (kind === addressKind.ipv6) await answers.take(16 + 2);
  else if (kind === addressKind.name) await answers.take(((await answers.take(1))[0] as number) + 2);
  else throw new SystemError('EPROTO', 'the proxy answered something else');
  answers.end();
}

function encodeCredentials({ user, password }: { readonly user: string; readonly password: string }): Uint8Array {
  const [name, secret] = [encoder.encode(user), encoder.encode(password)];
  for (const { length } of [name, secret]) {
    if (length < 1 || length > 255) throw new SystemError('EINVAL', 'user and password have 1 to 255 bytes');
  }
  return Uint8Array.of(1, name.length, ...name, secret.length, ...secret);
}

/** CONNECT. */
function encodeRequest(host: string, port: number): Uint8Array {
  const head = [version, 1, 0];
  const tail = [port >> 8, port & 0xff];
  const ipv4 = ipv4Of(host);
  if (ipv4 !== undefined) return Uint8Array.of(...head, addressKind.ipv4, ...ipv4, ...tail);
  if (host.includes(':')) return Uint8Array.of(...head, addressKind.ipv6, ...ipv6Of(host), ...tail);
  const name = encoder.encode(host);
  if (name.length < 1 || name.length > 255) throw new SystemError('EINVAL', 'a host name has 1 to 255 bytes');
  return Uint8Array.of(...head, addressKind.name, name.length, ...name, ...tail);
}

function ipv4Of(host: string): readonly number[] | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1).map(Number);
  return parts?.every((part) => part < 256) === true ? parts : undefined;
}

/** Sixteen bytes, through the one parser that is everywhere: that of URLs. */
function ipv6Of(host: string): readonly number[] {
  const normal = URL.canParse(`http://[${host}]/`) ? new URL(`http://[${host}]/`).hostname.slice(1, -1) : undefined;
  if (normal === undefined) throw new SystemError('EINVAL', `${host} is no address`);
  const [head = '', tail] = normal.split('::');
  const groupsOf = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]);
}

/** What the proxy says, by number of bytes. */
class Answers {
  #held: number[] = [];
  #ended = false;
  #wanted: (() => void) | undefined;

  constructor(wire: Duplex) {
    wire.start({
      data: (bytes) => {
        if (this.#held.length + bytes.length > replyBytesMax) this.#ended = true;
        else this.#held.push(...bytes);
        this.#wanted?.();
      },
      drain: () => undefined,
      close: () => {
        this.#ended = true;
        this.#wanted?.();
      },
    });
  }

  take(count: number): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      this.#wanted = () => {
        if (this.#held.length >= count) resolve(this.#held.splice(0, count));
        else if (this.#ended) reject(new SystemError('EPROTO', 'the proxy broke off'));
        else return;
        this.#wanted = undefined;
      };
      this.#wanted();
    });
  }

  /** Who speaks next is us: what came behind the answer is from nobody we know. */
  end(): void {
    if (this.#held.length > 0 || this.#ended) throw new SystemError('EPROTO', 'the proxy said more than it was asked');
  }
}

const encoder = new TextEncoder();
