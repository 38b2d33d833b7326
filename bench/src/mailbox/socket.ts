import { connect, type Socket } from 'node:net';

/**
 * A TCP connection for text protocols. What is sent in one turn of the event loop leaves in one write, so that clients
 * that share a connection are pipelined.
 */
export class TextSocket {
  readonly #socket: Socket;
  #outgoing = '';
  #scheduled = false;
  #unread = '';
  #failure: Error | undefined;
  readonly #consume: (text: string) => number;
  readonly #onFailure: (failure: Error) => void;

  private constructor(socket: Socket, consume: (text: string) => number, onFailure: (failure: Error) => void) {
    this.#socket = socket;
    this.#consume = consume;
    this.#onFailure = onFailure;
    socket.setEncoding('latin1');
    socket.on('data', (piece) => this.#received(piece.toString()));
    socket.on('error', (error) => this.#failed(error));
    socket.on('close', () => this.#failed(new Error('the peer closed the connection')));
  }

  /** `consume` is given all unread text and answers how many characters of it were whole replies. */
  static async open(
    target: { readonly port: number; readonly localAddress?: string },
    consume: (text: string) => number,
    onFailure: (failure: Error) => void,
  ): Promise<TextSocket> {
    const socket = connect({ host: '127.0.0.1', noDelay: true, ...target });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new TextSocket(socket, consume, onFailure);
  }

  send(text: string): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#outgoing += text;
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After all replies of this turn were read and their clients have gone on.
    process.nextTick(() => setImmediate(() => this.#flush()));
  }

  /** Sends at once what waits: for a connection with one client nothing else will come. */
  sendNow(text: string): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#socket.write(text, 'latin1');
  }

  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.#failure = new Error('the connection is closed');
    this.#socket.destroy();
    await closed;
  }

  #flush(): void {
    this.#scheduled = false;
    const text = this.#outgoing;
    this.#outgoing = '';
    if (!this.#socket.destroyed) this.#socket.write(text, 'latin1');
  }

  #received(piece: string): void {
    const text = this.#unread + piece;
    this.#unread = text.slice(this.#consume(text));
  }

  #failed(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#onFailure(error);
  }
}
