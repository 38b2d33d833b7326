import type { Content } from '../state/body.ts';
import type { Box } from '../state/box.ts';
import type { Delivered } from '../state/command.ts';
import { diedMs } from '../state/dead-list.ts';
import type { Message } from '../state/message.ts';
import type { DeadLetter, LeasedMessage, PeekedMessage, Position } from './engine.ts';

/** Dead letters that follow a position, in the order of their deaths. The one at the position may be gone by now. */
export function deadAfter(
  box: Box,
  messages: ReadonlyMap<string, Message>,
  after: Position | undefined,
  limit: number,
  bytesMax: number,
): Message[] {
  let message = box.dead.first;
  if (after !== undefined) {
    const last = messages.get(after.id);
    // It may have been redriven and have died anew: then it stands elsewhere.
    if (last?.state === 'dead' && last.box === box && diedMs(last) === after.order) message = last.boxNext;
    // Rather one twice than one never: several may have died in the same millisecond.
    else while (message !== undefined && diedMs(message) < after.order) message = message.boxNext;
  }
  return take(message, limit, bytesMax);
}

/** Where a list of dead letters goes on; undefined at its end. */
export function pageOf(messages: readonly Message[]): { next: Position | undefined } {
  const last = messages.at(-1);
  if (last === undefined || last.boxNext === undefined) return { next: undefined };
  return { next: { order: diedMs(last), id: last.id } };
}

/** Living messages sent after a position. The one at the position may be gone by now. */
export function sentAfter(
  box: Box,
  messages: ReadonlyMap<string, Message>,
  after: Position,
  limit: number,
  bytesMax: number,
): Message[] {
  const { first, last } = box.alive;
  if (first === undefined || last === undefined || first.order > after.order) return take(first, limit, bytesMax);
  const at = messages.get(after.id);
  if (at?.boxList === box.alive && at.order === after.order) return take(at.boxNext, limit, bytesMax);
  // From the end that is nearer: it only happens when a reader stands on a message that is gone, before ones that are not.
  if (after.order - first.order < last.order - after.order) {
    let message: Message | undefined = first;
    while (message !== undefined && message.order <= after.order) message = message.boxNext;
    return take(message, limit, bytesMax);
  }
  let next: Message | undefined;
  for (let message: Message | undefined = last; message !== undefined && message.order > after.order; ) {
    next = message;
    message = message.boxPrev;
  }
  return take(next, limit, bytesMax);
}

/** Nothing is read for what is left out. */
function take(start: Message | undefined, limit: number, bytesMax: number): Message[] {
  const taken: Message[] = [];
  let jsonBytes = 0;
  for (let message = start; message !== undefined && taken.length < limit; message = message.boxNext) {
    jsonBytes += message.origin.jsonBytes;
    if (taken.length > 0 && jsonBytes > bytesMax) break;
    taken.push(message);
  }
  return taken;
}

export function leasedOf({ message, attempt, fence, nonce }: Delivered, content: Content): LeasedMessage {
  const { id, group, priority, sentWallMs } = message.origin;
  return { id, content, group, priority, sentWallMs, attempt, fence, nonce };
}

export function peekedOf(message: Message, content: Content): PeekedMessage {
  const { id, group, priority, sentWallMs } = message.origin;
  const { order, attempt } = message;
  return { id, order, content, group, priority, sentWallMs, attempt };
}

export function deadLetterOf(message: Message, content: Content | undefined): DeadLetter {
  const { id, group, priority, sentWallMs } = message.origin;
  const { attempt, deadWallMs, failures, cause } = message;
  if (cause === undefined) throw new Error('a dead letter has a cause');
  const readable = cause === 'damaged' ? undefined : content;
  return {
    id,
    order: diedMs(message),
    content: readable,
    group,
    priority,
    sentWallMs,
    attempt,
    cause,
    deadWallMs,
    history: failures,
  };
}
