import type { NodeProcess } from '../support/node-process.ts';
import { call, jsonOf, type Reply } from './client.ts';

export type NodeAddress = Pick<NodeProcess, 'port' | 'capability' | 'stderr'>;

export interface WireMessage {
  readonly id: string;
  readonly body?: string;
  readonly attempt: number;
  readonly lease: string;
  readonly fence: number;
}

export interface WireDeadMessage {
  readonly id: string;
  readonly body?: string;
  readonly reason: string;
  readonly attempt: number;
}

export interface WireStats {
  readonly ready: number;
  readonly delayed: number;
  readonly in_flight: number;
  readonly dead: number;
}

/** A status that the scenario has no use for. */
export class Unexpected extends Error {
  readonly status: number;

  constructor(what: string, { status, body }: Reply) {
    super(`${what}: ${status} ${body.subarray(0, 300)}`);
    this.status = status;
  }
}

/** Longer than any scenario makes a node stand still. */
const answerMs = 90_000;

export function ask(node: NodeAddress, box: string, operation: string, input: unknown) {
  return call(node, 'POST', `/mailbox/${box}/${operation}`, JSON.stringify(input), answerMs);
}

async function asked<T>(node: NodeAddress, box: string, operation: string, input: unknown): Promise<T> {
  const reply = await ask(node, box, operation, input);
  if (reply.status !== 200) throw new Unexpected(`${operation} to ${box}`, reply);
  return jsonOf(reply) as T;
}

export interface SendInput {
  readonly body: string;
  readonly idempotency_key?: string;
  readonly group?: string | undefined;
  readonly ttl_ms?: number | undefined;
  readonly dead_letter_on_expiry?: boolean | undefined;
  readonly delay_ms?: number | undefined;
}

export interface SendAnswer {
  readonly id: string;
  readonly duplicate: boolean;
  readonly durability: string;
}

export const send = (node: NodeAddress, box: string, input: SendInput) => asked<SendAnswer>(node, box, 'send', input);

export interface ReceiveInput {
  readonly max: number;
  readonly visibility_ms: number;
  readonly wait_ms?: number;
}

export async function receive(node: NodeAddress, box: string, input: ReceiveInput): Promise<readonly WireMessage[]> {
  return (await asked<{ messages: WireMessage[] }>(node, box, 'recv', input)).messages;
}

/** Whether each lease was good. A 409 must say that none was. */
export async function settle(
  node: NodeAddress,
  box: string,
  operation: 'ack' | 'nack' | 'extend',
  leases: readonly string[],
  more: Readonly<Record<string, unknown>> = {},
): Promise<readonly boolean[]> {
  const reply = await ask(node, box, operation, { leases, ...more });
  const { code, results, details } = jsonOf(reply) as {
    code?: string;
    results?: { ok: boolean }[];
    details?: { results: { ok: boolean }[] };
  };
  if (reply.status === 200 && results?.some(({ ok }) => ok) === true) return results.map(({ ok }) => ok);
  const refused = details?.results ?? [];
  if (reply.status !== 409 || code !== 'conflict' || refused.length !== leases.length || refused.some(({ ok }) => ok)) {
    throw new Unexpected(`${operation} of ${leases.length} leases`, reply);
  }
  return refused.map(({ ok }) => ok);
}

/** Whether the message was there. */
export async function remove(node: NodeAddress, box: string, id: string): Promise<boolean> {
  const reply = await call(node, 'DELETE', `/mailbox/${box}/${id}`, undefined, answerMs);
  if (reply.status !== 200 && reply.status !== 404) throw new Unexpected(`DELETE ${id}`, reply);
  return reply.status === 200;
}

/** Undefined: no such box. */
export async function statsOf(node: NodeAddress, box: string): Promise<WireStats | undefined> {
  const reply = await call(node, 'GET', `/mailbox/${box}/stats`);
  if (reply.status === 404) return undefined;
  if (reply.status !== 200) throw new Unexpected(`stats of ${box}`, reply);
  return jsonOf(reply) as unknown as WireStats;
}

/** All of them, page by page. */
export async function deadLetters(node: NodeAddress, box: string): Promise<readonly WireDeadMessage[]> {
  const found: WireDeadMessage[] = [];
  for (let cursor = ''; ; ) {
    const reply = await call(node, 'GET', `/mailbox/${box}/dlq?limit=100${cursor === '' ? '' : `&cursor=${cursor}`}`);
    if (reply.status === 404) return found;
    if (reply.status !== 200) throw new Unexpected(`dead letters of ${box}`, reply);
    const page = jsonOf(reply) as { messages: WireDeadMessage[]; cursor?: string };
    found.push(...page.messages);
    if (page.cursor === undefined) return found;
    cursor = encodeURIComponent(page.cursor);
  }
}

/** Each gate with what it says, and whether all are green. */
export async function readiness(node: NodeAddress): Promise<{ ready: boolean; red: readonly string[] }> {
  const reply = await call(node, 'GET', '/readyz');
  const { ready, gates } = jsonOf(reply) as { ready: boolean; gates: { gate: string; ok: boolean; reason: string }[] };
  return { ready, red: gates.filter(({ ok }) => !ok).map(({ gate, reason }) => `${gate}: ${reason}`) };
}
