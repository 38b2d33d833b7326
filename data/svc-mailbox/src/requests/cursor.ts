import { RonError } from '@ron/proto/errors';
import type { Position } from '../engine/engine.ts';

const form = /^([0-9]{1,16})\.([0-7][0-9A-HJKMNP-TV-Z]{25})?$/;

/** A place in a list of messages, as text. */
export function encodePosition({ order, id }: Position): string {
  return `${order}.${id}`;
}

/** Throws `bad_request` for what no list has given out. */
export function parsePosition(cursor: string): Position {
  const [, order, id = ''] = form.exec(cursor) ?? [];
  if (order === undefined || !Number.isSafeInteger(Number(order))) throw badCursor();
  return { order: Number(order), id };
}

export function badCursor(): RonError {
  return new RonError('bad_request', 'the cursor is not one of this operation', { details: { field: 'cursor' } });
}
