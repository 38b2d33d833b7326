import { expect } from 'vitest';
import type { NodeProcess } from '../support/node-process.ts';
import { ask, RawHttp, type RawReply, requestBytes } from './raw-http.ts';
import { metricsOf } from './signs.ts';

export interface Received {
  readonly id: string;
  readonly lease: string;
  readonly attempt: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What an owner of mailboxes asks, well-formed unless the attack says otherwise. */
export class Mailboxes {
  readonly node: NodeProcess;

  constructor(node: NodeProcess) {
    this.node = node;
  }

  /** A string goes out as it is. */
  post(box: string, operation: string, input: unknown): Promise<RawReply> {
    return ask(this.node.port, this.#parts(box, operation, input));
  }

  get(target: string, headers: Readonly<Record<string, string>> = {}): Promise<RawReply> {
    return ask(this.node.port, { target, headers: { Authorization: `Bearer ${this.node.capability}`, ...headers } });
  }

  /** The same from another address of this machine, since each may have 64 connections. */
  async postFrom(localAddress: string, box: string, operation: string, input: unknown): Promise<RawReply> {
    using client = new RawHttp(this.node.port, { localAddress });
    client.say(requestBytes(this.#parts(box, operation, input)));
    return await client.reply();
  }

  /** Asked, and not waited for. */
  start(box: string, operation: string, input: unknown): RawHttp {
    return new RawHttp(this.node.port).say(requestBytes(this.#parts(box, operation, input)));
  }

  subscribe(box: string, query = ''): RawHttp {
    const headers = { Authorization: `Bearer ${this.node.capability}` };
    return new RawHttp(this.node.port).say(requestBytes({ target: `/mailbox/${box}/subscribe${query}`, headers }));
  }

  async send(box: string, input: object): Promise<string> {
    const reply = await this.post(box, 'send', input);
    expect([reply.status, reply.status === 200 ? '' : reply.body.toString()]).toEqual([200, '']);
    return (JSON.parse(reply.body.toString()) as { id: string }).id;
  }

  async receive(box: string, input: object = {}): Promise<readonly Received[]> {
    const reply = await this.post(box, 'recv', input);
    expect(reply.status).toBe(200);
    return (JSON.parse(reply.body.toString()) as { messages: Received[] }).messages;
  }

  async stats(box: string): Promise<Readonly<Record<string, number>>> {
    return JSON.parse((await this.get(`/mailbox/${box}/stats`)).body.toString());
  }

  async inFlight(): Promise<number> {
    return (await metricsOf(this.node.port)).get('mailbox_messages{state="in_flight"}')!;
  }

  #parts(box: string, operation: string, input: unknown) {
    const headers = { Authorization: `Bearer ${this.node.capability}`, 'Content-Type': 'application/json' };
    const body = typeof input === 'string' ? input : JSON.stringify(input);
    return { method: 'POST', target: `/mailbox/${box}/${operation}`, headers, body };
  }
}
