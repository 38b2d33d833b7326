/** One stream, as either side keeps it. Owned by `StreamTable`; only the inbound and outbound halves write to it. */
export interface StreamState {
  readonly id: number;
  readonly app: number;
  /** False once it is over; it is then kept only until what was delivered has been consumed. */
  live: boolean;
  /** We may still send body bytes. */
  sendOpen: boolean;
  /** RESP|START has passed, in whichever direction answers go. */
  answered: boolean;
  /** The peer has sent END. */
  receiveEnded: boolean;
  /** Body bytes that we may still send. */
  sendCredit: number;
  /** Body bytes that the peer may still send. */
  receiveCredit: number;
  /** Body bytes received (or announced by the frame now arriving) and not consumed. */
  unconsumed: number;
  /** Consumed and not yet granted again. */
  ungranted: number;
}

/** The streams of a connection: ids only grow, the number of live ones is bounded by the caller. */
export class StreamTable {
  /** Highest id ever opened on this connection. */
  highest = 0;
  /** Number of live streams. */
  live = 0;
  private readonly streams = new Map<number, StreamState>();

  /** Takes the id without keeping a stream, for a request that is refused. */
  skip(id: number): void {
    this.highest = id;
  }

  add(id: number, app: number, creditBytes: number): StreamState {
    const stream: StreamState = {
      id,
      app,
      live: true,
      sendOpen: true,
      answered: false,
      receiveEnded: false,
      sendCredit: creditBytes,
      receiveCredit: creditBytes,
      unconsumed: 0,
      ungranted: 0,
    };
    this.highest = id;
    this.live++;
    this.streams.set(id, stream);
    return stream;
  }

  /** The stream when it is live. */
  find(id: number): StreamState | undefined {
    const stream = this.streams.get(id);
    return stream?.live === true ? stream : undefined;
  }

  /** The stream when it is live, or over with bytes that nobody has consumed. */
  findUnconsumed(id: number): StreamState | undefined {
    return this.streams.get(id);
  }

  /** The stream is over. It is kept while it has unconsumed bytes, unless `forget` says that nobody will read them. */
  finish(stream: StreamState, forget: boolean): void {
    if (stream.live) {
      stream.live = false;
      stream.sendOpen = false;
      this.live--;
    }
    if (forget || stream.unconsumed === 0) this.streams.delete(stream.id);
  }

  clear(): void {
    for (const stream of this.streams.values()) {
      stream.live = false;
      stream.sendOpen = false;
    }
    this.streams.clear();
    this.live = 0;
  }
}
