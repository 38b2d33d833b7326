import assert from 'node:assert/strict';
import { createBus, createMetrics, type KernelEvent } from '@ron/kernel';
import { createLog, createRealEnv } from '@ron/kernel/real';
import { type Contract, defineContract } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { bindHttp, createOpsEndpoints, defineService, hostService, httpRefusal } from '@ron/service';
import { Type } from 'typebox';

/** A service of a few lines on the template: its metrics, probes, errors and limits come with it. */
const strict = { additionalProperties: false } as const;
const diceContract = defineContract({
  name: 'dice',
  app: 0x8010,
  operations: {
    roll: {
      summary: 'Throws a die',
      input: Type.Object({ sides: Type.String({ pattern: '^[0-9]{1,3}$' }) }, strict),
      output: Type.Object({ result: Type.Integer() }, strict),
      errors: ['not_found'],
      scopes: [],
      http: [{ method: 'GET', path: '/roll/:sides', reply: 'json' }],
    },
  },
}) satisfies Contract;

const dice = defineService({
  contract: diceContract,
  config: Type.Object({}, strict),
  uses: {},
  async start({ env }) {
    return {
      handlers: {
        roll({ sides }) {
          if (Number(sides) < 2) throw new RonError('not_found', 'there is no such die');
          return { result: 1 + Math.floor(env.random.unit() * Number(sides)) };
        },
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
});

const env = createRealEnv();
const metrics = createMetrics();
// Its one operation has no scopes, so everyone may call it.
const authenticator = {
  authenticate: () => ({
    subject: 'anyone',
    capabilityId: '',
    tenant: '',
    limits: {},
    anonymous: true,
    allows: () => false,
  }),
};
await using hosted = await hostService(
  dice,
  { env, bus: createBus<KernelEvent>(), metrics, log: createLog({ level: 'silent' }), authenticator },
  {
    config: { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) },
    peers: {},
    engines: undefined,
  },
);
const ops = createOpsEndpoints({
  uptimeMs: () => env.clock.monotonicMs(),
  gates: () => hosted.gates(),
  exposition: () => metrics.exposition(),
  version: () => ({ name: 'dice' }),
  openApi: () => ({}),
});
await using listener = await env.net.serveHttp(
  { kind: 'tcp', host: '127.0.0.1', port: 0 },
  {
    headerBytesMax: 16_384,
    headerFieldsMax: 100,
    headerTimeMs: 5_000,
    keepAliveIdleMs: 5_000,
    connectionsMax: 64,
    connectionsPerAddressMax: 64,
    progressBytesPerSecondMin: 1_024,
    refusal: httpRefusal(env, () => undefined),
  },
  bindHttp({ env, dispatchers: [hosted.dispatcher], ops }),
);
assert.ok(listener.address.kind === 'tcp');
const url = `http://127.0.0.1:${listener.address.port}`;

for (let count = 0; count < 20; count += 1) {
  const { result } = (await (await fetch(`${url}/roll/6`)).json()) as { result: number };
  assert.ok(result >= 1 && result <= 6);
}
assert.equal((await fetch(`${url}/roll/1`)).status, 404);
assert.equal((await fetch(`${url}/roll/many`)).status, 400);

const text = await (await fetch(`${url}/metrics`)).text();
for (const line of text.split('\n')) if (line.startsWith('requests_total')) console.log(line);
assert.match(text, /requests_total\{[^}]*op="roll"[^}]*code="(ok|200|OK)"[^}]*\} 20/);
assert.match(text, /latency_seconds_bucket\{/);
