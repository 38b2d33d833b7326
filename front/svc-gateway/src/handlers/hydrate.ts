import type { Clock } from '@ron/kernel';
import { parseName } from '@ron/naming';
import type { CallContext, Peer } from '@ron/proto/contract';
import { type ErrorCode, RonError } from '@ron/proto/errors';
import { hydrateOperation } from '@ron/proto/hydration';
import type { mailboxContract } from '@ron/proto/mailbox';
import type { indexContract } from '@ron/proto/names';
import type { storageContract } from '@ron/proto/storage';
import type { AuthenticatedPrincipal, PolicyStage } from '@ron/service';
import type { GatewayHandlers } from '../gateway-handlers.ts';

export interface HydratePorts {
  readonly index: Peer<typeof indexContract>;
  readonly storage: Peer<typeof storageContract>;
  readonly mailbox: Peer<typeof mailboxContract>;
  readonly clock: Clock;
  readonly policy: PolicyStage | undefined;
}

/** Items that are asked for at once; the others wait for their turn. */
const parallel = 16;
/** The answer leaves so long before the call is late, or a tenth of what is left where that is less. */
const marginMsMax = 100;

type Failure = { error: { code: ErrorCode; message: string; retryable: boolean } };
type Result<T> = { ok: T } | Failure;

interface Item<T> {
  /** The operation whose rights this item needs. */
  readonly op: string;
  readonly resource: string;
  ask(): Promise<T>;
}

export function createHydrate(ports: HydratePorts): GatewayHandlers['hydrate'] {
  const { index, storage, mailbox } = ports;
  return async ({ names = [], objects = [], boxes = [] }, { context }) => {
    if ((context.principal as AuthenticatedPrincipal).anonymous) {
      throw new RonError('unauthenticated', 'this needs a capability');
    }
    const view = new View(ports, context);
    const nameResults = view.add(
      names.map((name) => ({
        op: 'gateway.resolve',
        resource: `n/${name}`,
        ask: async () => index.resolve({ name: parseName(name) }, { context }),
      })),
    );
    const objectResults = view.add(
      objects.map((address) => ({
        op: 'gateway.get',
        resource: `o/${address}`,
        ask: () => storage.stat({ address }, { context }),
      })),
    );
    const boxResults = view.add(
      boxes.map((box) => ({
        op: 'gateway.mailbox_stats',
        resource: `box/${box}`,
        ask: () => mailbox.stats({ box }, { context }),
      })),
    );
    await view.run();
    return { names: nameResults(), objects: objectResults(), boxes: boxResults() };
  };
}

/** Results in the order of the question, whatever the order in which they come. */
class View {
  readonly #ports: HydratePorts;
  readonly #context: CallContext;
  readonly #tasks: (() => Promise<void>)[] = [];

  constructor(ports: HydratePorts, context: CallContext) {
    this.#ports = ports;
    this.#context = context;
  }

  /** What is not there when the returned function is called was too late. */
  add<T>(items: readonly Item<T>[]): () => Result<T>[] {
    const results: (Result<T> | undefined)[] = items.map(() => undefined);
    for (const [position, item] of items.entries()) {
      this.#tasks.push(async () => {
        results[position] = await this.#resultOf(item);
      });
    }
    return () => results.map((result) => result ?? failureOf(new RonError('deadline_exceeded', 'not there in time')));
  }

  /** Until every item has its result, or shortly before the call is late. What comes after that is not looked at. */
  async run(): Promise<void> {
    const { clock } = this.#ports;
    const leftMs = Math.min(this.#context.deadlineMs - clock.monotonicMs(), hydrateOperation.limits.timeoutMs);
    const queue = this.#tasks.values();
    let ended = false;
    const worker = async () => {
      for (const task of queue) {
        if (ended) return;
        await task();
      }
    };
    const { promise: late, resolve: onLate } = Promise.withResolvers<void>();
    const timer = clock.after(leftMs - Math.min(marginMsMax, leftMs / 10), onLate);
    try {
      await Promise.race([Promise.all(Array.from({ length: parallel }, worker)), late]);
    } finally {
      ended = true;
      timer.cancel();
    }
  }

  async #resultOf<T>(item: Item<T>): Promise<Result<T>> {
    try {
      this.#authorize(item);
      return { ok: await item.ask() };
    } catch (thrown) {
      // Peers reject with nothing else; a defect of ours fails the whole call and is logged with it.
      if (!(thrown instanceof RonError)) throw thrown;
      return failureOf(thrown);
    }
  }

  /** Before anything is asked: whether it is there makes no difference to who may not know. */
  #authorize({ op, resource }: Item<unknown>): void {
    const { principal, tenant } = this.#context;
    if (!principal.allows('read', resource)) {
      throw new RonError('forbidden', 'the capability does not allow "read" here');
    }
    this.#ports.policy?.decide({ op, method: 'read', resource, principal, tenant });
  }
}

function failureOf({ code, message, retryable }: RonError): Failure {
  return { error: { code, message, retryable } };
}
