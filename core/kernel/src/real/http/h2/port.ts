import type tls from 'node:tls';
import { type Http2Limits, type HttpHandler, type HttpServerLimits, http2LimitsDefault } from '../../../env/http.ts';
import type { Connection } from '../connection.ts';
import type { ProgressWatch } from '../progress.ts';
import { loopTurns } from '../turns.ts';
import { Session } from './session.ts';

export interface Http2Ports {
  readonly limits: HttpServerLimits;
  readonly handler: HttpHandler;
  readonly watch: ProgressWatch;
  readonly progressTickMs: number;
}

/** What every session of one listener reads. */
export interface SessionPorts extends Http2Ports {
  readonly http2: Http2Limits;
}

/** The HTTP/2 sessions of one listener. */
export class Http2Port {
  readonly #ports: SessionPorts;
  readonly #sessions = new Set<Session>();
  #timer: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(ports: Http2Ports) {
    this.#ports = { ...ports, http2: { ...http2LimitsDefault, ...ports.limits.http2 } };
  }

  /** The socket's handshake is over and has chosen `h2`; its connection was admitted. */
  take(socket: tls.TLSSocket, connection: Connection): void {
    if (connection.closed || this.#closing) {
      socket.destroy();
      return;
    }
    const session = new Session(this.#ports, socket, connection);
    this.#sessions.add(session);
    const leave = loopTurns.multiplexed(this.#ports.http2.streamsMax - 1);
    connection.onClose(() => {
      leave();
      this.#sessions.delete(session);
    });
    this.#timer ??= setInterval(() => this.#tick(), this.#ports.progressTickMs).unref();
  }

  /** Every session ends with its last stream. */
  close(): void {
    this.#closing = true;
    for (const session of this.#sessions) session.close();
  }

  #tick(): void {
    for (const session of this.#sessions) session.judge(this.#ports.progressTickMs);
    if (this.#sessions.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
