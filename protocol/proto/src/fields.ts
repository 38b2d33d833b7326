import { Type } from 'typebox';

/** Field types that every contract shares. Patterns restate the grammar of `docs/specs/naming.md` for validators. */
export const Address = Type.String({ pattern: '^b3:[0-9a-f]{64}$', description: 'BLAKE3-256 of the plaintext bytes' });

/** Bytes or a byte position: 0 to 2^53−1. */
export const Bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** Milliseconds since the Unix epoch. */
export const TimeMs = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const DurationMs = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** Length only: the grammar is `@ron/naming`'s, whose refusals say which rule was broken. */
export const NameText = Type.String({ minLength: 1, maxLength: 253 });

/** A name, optionally followed by a path inside its bundle. */
export const PathText = Type.String({ minLength: 1, maxLength: 1_536 });

export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** Opaque; comes from the previous page. */
export const Cursor = Type.String({ minLength: 1, maxLength: 1_024 });

export const Durability = Type.Union([Type.Literal('memory'), Type.Literal('fsync')], {
  description: 'What was done before the answer: kept in RAM, or synced to stable storage',
});

/** Refuses unknown fields; every DTO is made with it. */
export const strict = { additionalProperties: false } as const;
