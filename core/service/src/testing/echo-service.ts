import { createBus, createMetrics, type KernelEvent, type Log } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { defineContract, type Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import { Type } from 'typebox';
import { readWhole } from '../bodies.ts';
import { defineService } from '../define.ts';
import { type HostOptions, hostService } from '../host.ts';

const strict = { additionalProperties: false } as const;

/** A contract with every shape of operation, for the tests of pipeline and bindings. */
export const echoContract = defineContract({
  name: 'echo',
  app: 0x8001,
  operations: {
    say: {
      summary: 'answers its input',
      input: Type.Object(
        { text: Type.String({ maxLength: 1_000 }), times: Type.Optional(Type.Integer({ minimum: 1 })) },
        strict,
      ),
      output: Type.Object({ text: Type.String() }, strict),
      errors: ['not_found'],
      scopes: [{ method: 'read', resource: 'n/{text}' }],
      http: [
        { method: 'GET', path: '/say/*text', query: ['times'], reply: 'json' },
        { method: 'POST', path: '/say', json: true, reply: 'json' },
      ],
    },
    fail: {
      summary: 'throws what it is told',
      input: Type.Object({ how: Type.String() }, strict),
      output: Type.Object({}, strict),
      errors: ['not_found'],
      scopes: [{ method: 'read', resource: 'n/' }],
      http: [{ method: 'GET', path: '/fail/:how', reply: 'json' }],
    },
    count: {
      summary: 'a mutation',
      input: Type.Object({ by: Type.Integer() }, strict),
      output: Type.Object({ total: Type.Integer() }, strict),
      errors: [],
      scopes: [{ method: 'write', resource: 'n/' }],
      mutation: true,
      http: [{ method: 'POST', path: '/count', json: true, reply: 'json' }],
    },
    upper: {
      summary: 'bytes in, bytes out',
      input: Type.Object({}, strict),
      output: Type.Object({ size: Type.Integer(), vary: Type.String() }, strict),
      errors: [],
      scopes: [{ method: 'write', resource: 'o/' }],
      body: 'both',
      limits: { bodyBytesMax: 4 * 1_024 * 1_024 },
      http: [
        { method: 'PUT', path: '/upper', reply: 'stream', replyHeaders: { size: 'content-length', vary: 'vary' } },
      ],
    },
    pieces: {
      summary: 'many pieces out',
      input: Type.Object({ count: Type.Integer({ minimum: 0 }), bytes: Type.Integer({ minimum: 0 }) }, strict),
      output: Type.Object({}, strict),
      errors: [],
      scopes: [{ method: 'read', resource: 'o/' }],
      body: 'out',
    },
    ticks: {
      summary: 'pieces that come as they happen',
      input: Type.Object({ count: Type.Integer({ minimum: 0 }), bytes: Type.Integer({ minimum: 0 }) }, strict),
      output: Type.Object({}, strict),
      errors: [],
      scopes: [{ method: 'read', resource: 'o/' }],
      body: 'out',
      waits: true,
    },
  },
});

export const seenCalls: { corrId: string; tenant: string; subject: string }[] = [];

export const echo = defineService({
  contract: echoContract,
  config: Type.Object({}, strict),
  uses: {},
  async start() {
    let total = 0;
    return {
      handlers: {
        say: ({ text, times = 1 }, { context }) => {
          seenCalls.push({ corrId: context.corrId, tenant: context.tenant, subject: context.principal.subject });
          return { text: text.repeat(times) };
        },
        fail: async ({ how }, { context }) => {
          if (how === 'hang')
            return new Promise((_resolve, reject) =>
              context.signal.addEventListener('abort', () => reject(context.signal.reason)),
            );
          if (how === 'stuck') return new Promise(() => undefined);
          if (how === 'declared') throw new RonError('not_found', 'it is not here');
          if (how === 'undeclared') throw new RonError('range_not_satisfiable', 'internal detail');
          throw new Error('a secret detail');
        },
        count: async ({ by }) => {
          total += by;
          return { total };
        },
        upper: async (_input, { body }) => {
          const bytes = (await readWhole(body, 8 * 1_024 * 1_024)).map((byte) =>
            byte >= 97 && byte <= 122 ? byte - 32 : byte,
          );
          return { output: { size: bytes.byteLength, vary: 'accept' }, body: new ResidentBody(bytes) };
        },
        pieces: ({ count, bytes }) => ({ output: {}, body: piecesOf(count, bytes) }),
        ticks: ({ count, bytes }) => ({ output: {}, body: piecesOf(count, bytes) }),
      },
      async [Symbol.asyncDispose]() {
        total = 0;
      },
    };
  },
});

async function* piecesOf(count: number, bytes: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield new Uint8Array(bytes).fill(index & 0xff);
}

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

export function principal(allows: Principal['allows'], subject = 'tester'): Principal {
  return { subject, capabilityId: 'test', tenant: '', limits: {}, allows };
}

/** Tokens of this test authenticator: `all` may everything, `reader` may read, anything else is refused. */
export function testHost(overrides: Partial<HostOptions> = {}): HostOptions {
  return {
    env: createRealEnv(),
    bus: createBus<KernelEvent>(),
    metrics: createMetrics(),
    log: silentLog,
    authenticator: {
      authenticate({ token }) {
        const text = token instanceof Uint8Array ? new TextDecoder().decode(token) : token;
        if (text === undefined) return { ...principal(() => false, 'anonymous'), anonymous: true };
        if (text === 'all') return principal(() => true);
        if (text === 'reader') return principal((method) => method === 'read', 'reader');
        throw new RonError('unauthenticated', 'the capability is not valid here');
      },
    },
    ...overrides,
  };
}

export function startEcho(host: HostOptions = testHost()) {
  const config = { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) };
  return hostService(echo, host, { config, peers: {}, engines: undefined });
}
