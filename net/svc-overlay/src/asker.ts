import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { overlayContract } from '@ron/proto/overlay';
import type { Static } from 'typebox';
import type { OverlayPorts } from './ports.ts';

type Operations = (typeof overlayContract)['operations'];
export type NodeOperation = 'hello' | 'ping' | 'ping_req' | 'sync' | 'exchange' | 'gossip';
export type Answer<Op extends NodeOperation> = Static<Operations[Op]['output']>;
export type Question<Op extends NodeOperation> = Static<Operations[Op]['input']>;
export type AnswerCheck = (operation: NodeOperation, answer: unknown) => boolean;

/** Compiles the schemas of what nodes answer; takes about 0.1 s the first time. */
export async function loadAnswerCheck(): Promise<AnswerCheck> {
  const { Compile } = await import('typebox/compile');
  const { hello, ping, ping_req, sync, exchange, gossip } = overlayContract.operations;
  const of = <Op extends NodeOperation>(operation: Operations[Op]) => Compile(operation.output);
  const checks = {
    hello: of<'hello'>(hello),
    ping: of<'ping'>(ping),
    ping_req: of<'ping_req'>(ping_req),
    sync: of<'sync'>(sync),
    exchange: of<'exchange'>(exchange),
    gossip: of<'gossip'>(gossip),
  };
  return (operation, answer) => checks[operation].Check(answer);
}

export interface AskerParts {
  readonly ask: OverlayPorts['ask'];
  readonly isAnswer: AnswerCheck;
  readonly isBanned: (id: NodeId) => boolean;
  readonly onMalformed: (from: NodeId) => void;
}

/** Asks other nodes, none that is banned, and takes no answer that is not one. */
export class Asker {
  readonly #parts: AskerParts;

  constructor(parts: AskerParts) {
    this.#parts = parts;
  }

  /** Rejects with `RonError`: as `Ask` does, `forbidden` for who is banned here, `bad_request` for an answer that is none. */
  async ask<Op extends NodeOperation>(
    to: Contact,
    operation: Op,
    input: Question<Op>,
    timeoutMs: number,
  ): Promise<Answer<Op>> {
    const { ask, isAnswer, isBanned, onMalformed } = this.#parts;
    if (isBanned(to.id)) throw new RonError('forbidden', 'the node is banned here');
    const answer: unknown = await ask(to, operation, input as never, timeoutMs);
    if (isAnswer(operation, answer)) return answer as Answer<Op>;
    onMalformed(to.id);
    throw new RonError('bad_request', `the node answered ${operation} with something else`);
  }
}

/** Whether somebody said this, and not the way there: a refusal is a sign of life. */
export function isAnswered(error: unknown): boolean {
  return error instanceof RonError && error.code !== 'unavailable' && error.code !== 'deadline_exceeded';
}
