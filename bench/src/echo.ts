import { defineContract } from '@ron/proto/contract';
import { defineService } from '@ron/service';
import { Type } from 'typebox';

const strict = { additionalProperties: false } as const;

export const echoContract = defineContract({
  name: 'echo',
  app: 0x8001,
  operations: {
    say: {
      summary: 'answers its input',
      input: Type.Object({ text: Type.String({ maxLength: 4_096 }) }, strict),
      output: Type.Object({ text: Type.String() }, strict),
      errors: [],
      scopes: [{ method: 'read', resource: 'n/' }],
    },
  },
});

export const echo = defineService({
  contract: echoContract,
  config: Type.Object({}, strict),
  uses: {},
  start: async () => ({
    handlers: { say: ({ text }) => ({ text }) },
    async [Symbol.asyncDispose]() {
      // Nothing is held.
    },
  }),
});
