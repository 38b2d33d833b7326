import { defineContract } from '@ron/proto/contract';
import { Type } from 'typebox';

const strict = { additionalProperties: false } as const;

/** A contract with every kind of answer, for tests of links and of what is served over them. */
export const pingContract = defineContract({
  name: 'ping',
  app: 0x8002,
  operations: {
    ping: {
      summary: 'answers with who asked',
      input: Type.Object({ text: Type.String({ maxLength: 100 }) }, strict),
      output: Type.Object({ text: Type.String(), from: Type.String() }, strict),
      errors: ['not_found'],
      scopes: [],
    },
    pieces: {
      summary: 'bytes out',
      input: Type.Object({ count: Type.Integer({ minimum: 0 }), bytes: Type.Integer({ minimum: 0 }) }, strict),
      output: Type.Object({ total: Type.Integer() }, strict),
      errors: [],
      scopes: [],
      body: 'out',
    },
    slow: {
      summary: 'answers never',
      input: Type.Object({}, strict),
      output: Type.Object({}, strict),
      errors: [],
      scopes: [],
      limits: { timeoutMs: 2_000 },
    },
  },
});
