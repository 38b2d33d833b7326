import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ByteStream, emptyBody } from '@ron/proto/stream';
import type { HttpHeaders, HttpRequest } from '../../env/http.ts';
import type { Connection } from './connection.ts';
import type { Fields } from './fields.ts';
import type { ProgressWatch } from './progress.ts';
import { type BodyOwner, RequestBody } from './request-body.ts';
import { flatten } from './respond.ts';

/** Not after the head of the final response: it would stand in the middle of its content. */
function sendContinue(response: ServerResponse): boolean {
  if (response.headersSent) return false;
  response.writeContinue();
  return true;
}

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
  waitedMs = 0;

  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    connection: Connection,
    headers: Fields,
    owner: Pick<BodyOwner, 'watch'> & { bodyTimedOut(exchange: Exchange): void },
    continueOwed: boolean,
    target: string,
  ) {
    this.method = message.method as string;
    this.target = target;
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
          { watch: owner.watch, bodyTimedOut: () => owner.bodyTimedOut(this), giveWay: () => connection.giveWay() },
          continueOwed ? () => sendContinue(response) : undefined,
        )
      : emptyBody;
  }

  get remote(): string {
    return this.connection.address;
  }

  get version(): string {
    return this.message.httpVersion;
  }

  get fieldLines(): readonly string[] {
    return this.message.rawHeaders;
  }

  inform(status: number, headers: HttpHeaders): void {
    const { message, response } = this;
    if (this.answered || this.connection.closed || message.httpVersionMinor === 0) return;
    response.writeInformation(status, flatten(headers).map(String));
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
