import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ByteStream, emptyBody } from '@ron/proto/stream';
import type { HttpRequest } from '../../env/http.ts';
import type { Connection } from './connection.ts';
import type { Fields } from './fields.ts';
import type { ProgressWatch } from './progress.ts';
import { type BodyOwner, RequestBody } from './request-body.ts';

/** One request and its response. */
export class Exchange implements HttpRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: Fields;
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly connection: Connection;
  readonly watch: ProgressWatch;
  readonly body: ByteStream;
  /** A response has been chosen: the handler's, or a refusal that was faster. */
  answered = false;

  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    connection: Connection,
    headers: Fields,
    owner: Pick<BodyOwner, 'watch'> & { bodyTimedOut(exchange: Exchange): void },
    continueOwed: boolean,
  ) {
    this.method = message.method as string;
    this.target = message.url as string;
    this.headers = headers;
    this.message = message;
    this.response = response;
    this.connection = connection;
    this.watch = owner.watch;
    const length = headers['content-length'];
    const hasBody = headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
    this.body = hasBody
      ? new RequestBody(
          message,
          response,
          { watch: owner.watch, bodyTimedOut: () => owner.bodyTimedOut(this) },
          continueOwed,
        )
      : emptyBody;
  }

  get remote(): string {
    return this.connection.address;
  }

  onAbort(callback: () => void): void {
    const { connection, response } = this;
    const left = () => {
      if (!response.writableFinished) callback();
    };
    if (connection.closed) queueMicrotask(left);
    else response.once('finish', connection.onClose(left));
  }
}
