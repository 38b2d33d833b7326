import net, { type LookupFunction } from 'node:net';
import tls from 'node:tls';
import type { HttpOrigin } from '../../env/http-client.ts';
import { SystemError } from '../../env/system-error.ts';

/** What a connection tells the one exchange that has it. */
export interface ConnectionUser {
  connected(): void;
  /** The bytes are the user's for the length of the call only. */
  received(bytes: Buffer): void;
  /** The origin ended it. */
  ended(): void;
  failed(error: Error): void;
}

/**
 * What all connections without TLS read into, one after another: the bytes are looked at, and copied once to where they
 * stay, before anything else is read. Larger than the usual response, so that this is one read.
 */
const readInto = Buffer.allocUnsafeSlow(256 * 1024);

/** A connection to the origin, used by one exchange at a time. */
export class ClientConnection {
  readonly socket: net.Socket;
  /** Exchanges that it has had. */
  uses = 0;
  /** On the monotonic clock: when it is closed unless it is used again. */
  idleUntilMs = 0;
  isConnected = false;
  #user: ConnectionUser | undefined;

  constructor(origin: HttpOrigin, lookup: LookupFunction | undefined, onClose: (connection: ClientConnection) => void) {
    this.socket = origin.secure ? this.#connectTls(origin, lookup) : this.#connect(origin, lookup);
    this.socket.once(origin.secure ? 'secureConnect' : 'connect', () => {
      this.isConnected = true;
      this.#user?.connected();
    });
    this.socket.on('end', () => this.#user?.ended());
    this.socket.on('error', (error) => this.#user?.failed(error));
    this.socket.once('close', () => {
      onClose(this);
      this.#user?.failed(new SystemError('ECONNRESET', 'the connection is gone'));
    });
  }

  get isUsable(): boolean {
    return !this.socket.destroyed && this.socket.writable && this.socket.readable;
  }

  take(user: ConnectionUser): void {
    this.#user = user;
    this.uses++;
    if (this.uses > 1) this.socket.ref();
  }

  /** Nothing that comes from here on was asked for. */
  leave(): void {
    this.#user = undefined;
    // Waiting for the next use is no reason to stay alive.
    this.socket.unref();
    if (this.socket.isPaused()) this.socket.resume();
  }

  destroy(): void {
    this.socket.destroy();
  }

  #received(bytes: Buffer): void {
    if (this.#user === undefined) this.socket.destroy();
    else this.#user.received(bytes);
  }

  #connect({ host, port }: HttpOrigin, lookup: LookupFunction | undefined): net.Socket {
    return net.connect({
      host,
      port,
      noDelay: true,
      ...(lookup === undefined ? {} : { lookup }),
      onread: {
        buffer: readInto,
        callback: (bytes) => {
          this.#received(readInto.subarray(0, bytes));
          return true;
        },
      },
    });
  }

  #connectTls({ host, port }: HttpOrigin, lookup: LookupFunction | undefined): net.Socket {
    const socket = tls.connect({
      host,
      port,
      ALPNProtocols: ['http/1.1'],
      // An address is no name: RFC 6066, 3.
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
      ...(lookup === undefined ? {} : { lookup }),
    });
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#received(bytes));
    return socket;
  }
}
