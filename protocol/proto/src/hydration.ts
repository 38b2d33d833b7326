import { type TSchema, Type } from 'typebox';
import { Address, NameText, strict } from './fields.ts';
import { BoxName, BoxStats } from './mailbox.ts';
import { Resolution } from './names.ts';
import { StatOutput } from './storage.ts';

/** Items of one view, each kind; tested at 0 and +1. */
export const viewLimits = { namesMax: 64, objectsMax: 64, boxesMax: 16 } as const;

/** Why one item of a view is missing; the call itself succeeded. */
const ItemError = Type.Object(
  {
    code: Type.String({ description: 'a code of the error table' }),
    message: Type.String(),
    retryable: Type.Boolean(),
  },
  strict,
);

function resultOf<const S extends TSchema>(item: S) {
  return Type.Union([Type.Object({ ok: item }, strict), Type.Object({ error: ItemError }, strict)]);
}

const { namesMax, objectsMax, boxesMax } = viewLimits;

/**
 * Several small reads as one call under one deadline. There is one result for each item, in the order of the question,
 * and an item that fails, or that the capability does not cover (`forbidden`, whether it is there or not), or that is
 * not there in time (`deadline_exceeded`), fails alone.
 */
export const hydrateOperation = {
  summary: 'Names, metadata of objects and statistics of boxes in one call; each item has its own result',
  input: Type.Object(
    {
      names: Type.Optional(Type.Array(NameText, { maxItems: namesMax })),
      objects: Type.Optional(Type.Array(Address, { maxItems: objectsMax })),
      boxes: Type.Optional(Type.Array(BoxName, { maxItems: boxesMax })),
    },
    strict,
  ),
  output: Type.Object(
    {
      names: Type.Array(resultOf(Resolution), { maxItems: namesMax }),
      objects: Type.Array(resultOf(StatOutput), { maxItems: objectsMax }),
      boxes: Type.Array(resultOf(BoxStats), { maxItems: boxesMax }),
    },
    strict,
  ),
  errors: [],
  // Each item is checked against the caller's rights by itself: see the gateway's handler.
  scopes: [],
  limits: { timeoutMs: 10_000 },
  http: [{ method: 'POST', path: '/v1/view', json: true, reply: 'json' }],
} as const;
