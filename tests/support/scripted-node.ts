import { encodeSlice, hashTree } from '@ron/b3';
import { createBus, createMetrics, type KernelEvent, type Listener } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { addressFromHash } from '@ron/naming';
import type { Call } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { gatewayContract } from '@ron/proto/gateway';
import type { ByteStream } from '@ron/proto/stream';
import {
  type Authenticator,
  bindHttp,
  bindOapServer,
  createOpsEndpoints,
  defineService,
  hostService,
  httpRefusal,
} from '@ron/service';
import { Type } from 'typebox';
import { silentLog } from './in-process-node.ts';

type Answer = object | RonError | ((signal: AbortSignal) => unknown);

/** The bindings and the pipeline of a node before a gateway that does, call by call, what a test says. */
export interface ScriptedNode extends AsyncDisposable {
  /** Ports on loopback. */
  readonly http: number;
  readonly oap: number;
  /** The next calls of an operation are answered so, in order. Returns the idempotency key of each as it comes. */
  script(operation: string, answers: readonly Answer[]): (string | undefined)[];
  /**
   * From now on `get` sends verified slices of these bytes. `onSent` is waited for after each piece, with the number of
   * the answer, from 1, and the bytes of it so far. Returns the range of each request as it comes.
   */
  serve(bytes: Uint8Array, onSent: OnSent): (string | undefined)[];
}

const groupBytes = 65_536;
type AnyHandler = (input: Readonly<Record<string, unknown>>, call: Call) => unknown;

export type OnSent = (answer: number, sentBytes: number) => Promise<void>;

export async function startScriptedNode(): Promise<ScriptedNode> {
  const env = createRealEnv();
  const metrics = createMetrics();
  const scripted = new Map<string, AnyHandler>();
  const handlers = Object.keys(gatewayContract.operations).map((operation): [string, AnyHandler] => [
    operation,
    (input, call) => {
      const handler = scripted.get(operation);
      if (handler === undefined) throw new Error(`nobody said what ${operation} does`);
      return handler(input, call);
    },
  ]);
  const service = defineService({
    contract: gatewayContract,
    config: Type.Object({}),
    uses: {},
    start: async () => ({
      handlers: Object.fromEntries(handlers) as never,
      [Symbol.asyncDispose]: async () => undefined,
    }),
  });
  await using stack = new AsyncDisposableStack();
  const hosted = stack.use(
    await hostService(
      service,
      { env, bus: createBus<KernelEvent>(), metrics, log: silentLog, authenticator, drainMs: 100 },
      {
        config: { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) },
        peers: {},
        engines: undefined,
      },
    ),
  );
  const common = { env, log: silentLog, metrics, dispatchers: [hosted.dispatcher] };
  const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const identity = { server_version: '0', node_id: 'test', transports: ['tcp'], revocation_seq: 0 };
  const oap = stack.use(await bindOapServer({ ...common, address, identity }));
  const ops = createOpsEndpoints({
    uptimeMs: () => env.clock.monotonicMs(),
    gates: () => hosted.gates(),
    exposition: () => metrics.exposition(),
    version: () => ({ name: 'scripted' }),
    openApi: () => ({}),
  });
  const limits = { ...httpLimits, refusal: httpRefusal(env, () => undefined) };
  const http = stack.use(await env.net.serveHttp(address, limits, bindHttp({ ...common, ops })));
  const owned = stack.move();
  return {
    http: portOf(http),
    oap: portOf(oap),
    script: (operation, answers) => script(scripted, operation, answers),
    serve: (bytes, onSent) => serve(scripted, bytes, onSent),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function script(scripted: Map<string, AnyHandler>, operation: string, answers: readonly Answer[]) {
  const keys: (string | undefined)[] = [];
  scripted.set(operation, (_input, { context }) => {
    const answer = answers[keys.length];
    keys.push(context.idempotencyKey);
    if (answer instanceof RonError) throw answer;
    if (answer === undefined) throw new RonError('internal', 'the test said nothing about this call');
    return typeof answer === 'function' ? answer(context.signal) : answer;
  });
  return keys;
}

function serve(scripted: Map<string, AnyHandler>, bytes: Uint8Array, onSent: OnSent) {
  const ranges: (string | undefined)[] = [];
  const size = bytes.byteLength;
  const { root, outboard } = hashTree(bytes);
  const address = addressFromHash(root);
  const readGroup = (index: number) => bytes.subarray(index * groupBytes, (index + 1) * groupBytes);
  const told = async function* (slice: ByteStream, answer: number): AsyncGenerator<Uint8Array> {
    let sentBytes = 0;
    for await (const piece of slice) {
      sentBytes += piece.byteLength;
      yield piece.slice();
      await onSent(answer, sentBytes);
    }
  };
  scripted.set('get', ({ range }) => {
    ranges.push(range as string | undefined);
    const [, from = '0', to = String(size - 1)] = /^bytes=([0-9]+)-([0-9]+)$/.exec(String(range)) ?? [];
    const start = Number(from);
    const slice = encodeSlice({ outboard, size, start, length: Number(to) + 1 - start, readGroup });
    return { output: { status: 200, address, size, cache_control: 'no-store' }, body: told(slice, ranges.length) };
  });
  return ranges;
}

const authenticator: Authenticator = {
  authenticate: () => ({ subject: 'test', capabilityId: 'c', tenant: '', limits: {}, allows: () => true }),
};

const httpLimits = {
  headerBytesMax: 16_384,
  headerFieldsMax: 100,
  headerTimeMs: 60_000,
  keepAliveIdleMs: 60_000,
  connectionsMax: 64,
  connectionsPerAddressMax: 64,
  progressBytesPerSecondMin: 1_024,
};

function portOf({ address }: Listener): number {
  if (address.kind !== 'tcp') throw new Error('this listens on TCP');
  return address.port;
}
