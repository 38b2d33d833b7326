import { type SimClock, SimWorld } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import type { overlayContract } from '@ron/proto/overlay';
import type { Ask } from '@ron/transport';
import { Value } from 'typebox/value';
import { type AnswerCheck, loadAnswerCheck } from '../asker.ts';
import { OverlayConfig } from '../config.ts';
import { type Ignored, silentMeters } from '../meters.ts';
import { Overlay, type OverlayOptions } from '../overlay.ts';
import type { OverlayPorts } from '../ports.ts';
import { signRecord } from '../records.ts';
import { signerOf, verifyEd25519 } from './real-keys.ts';

const oneWayMs = 10;
const silent = () => undefined;

export interface NodeOptions extends Partial<Pick<OverlayOptions, 'seeds' | 'store' | 'topics'>> {
  readonly config?: Partial<OverlayConfig>;
}

/** A few overlays with real keys, whose messages take 10 ms and go through JSON. Everything follows from the seed. */
export class SmallNetwork {
  readonly world: SimWorld;
  readonly nodes: Overlay[] = [];
  readonly warnings: string[] = [];
  readonly ignored = new Map<Ignored, number>();
  /** Whether a message from the first to the second is lost. */
  isLost: (from: NodeId, to: NodeId) => boolean = () => false;
  messages = 0;
  readonly #clocks = new Map<number, SimClock>();
  readonly #byId = new Map<NodeId, Overlay>();
  readonly #isAnswer: AnswerCheck;

  private constructor(seed: number | string, isAnswer: AnswerCheck) {
    this.world = new SimWorld({ seed });
    this.#isAnswer = isAnswer;
  }

  static async create(seed: number | string = 1): Promise<SmallNetwork> {
    return new SmallNetwork(seed, await loadAnswerCheck());
  }

  /** A node that is not started. */
  make(index = this.nodes.length, options: NodeOptions = {}): Overlay {
    const ports = this.portsOf(index, options.config);
    const { address } = contactOf(index);
    const overlay = new Overlay(ports, {
      about: { addresses: [address], region: 'eu', version: '0.1.0' },
      seeds: options.seeds ?? (index === 0 ? [] : [contactOf(0)]),
      topics: options.topics ?? ['news'],
      isAnswer: this.#isAnswer,
      ...(options.store === undefined ? {} : { store: options.store }),
    });
    this.nodes.push(overlay);
    this.#byId.set(overlay.id, overlay);
    return overlay;
  }

  async start(count: number, options: NodeOptions = {}): Promise<Overlay[]> {
    const made = Array.from({ length: count }, () => this.make(undefined, options));
    for (const overlay of made) await this.run(overlay.start());
    return made;
  }

  portsOf(index: number, config: Partial<OverlayConfig> = {}): OverlayPorts {
    const env = this.world.node(`node ${index}`);
    this.#clocks.set(index, env.clock);
    const signer = signerOf(index);
    const values = { ...Value.Create(OverlayConfig), ...config };
    const log = {
      debug: silent,
      info: silent,
      warn: (_fields: object, message: string) => void this.warnings.push(message),
      error: (_fields: object, message: string) => void this.warnings.push(message),
      child: () => log,
    };
    const bindingWith = (peer: NodeId) => new TextEncoder().encode([peer, signer.id].sort().join(' '));
    return {
      clock: env.clock,
      random: env.random,
      blake3: (bytes) => env.work.blake3(bytes),
      ask: this.askFrom(signer.id),
      channels: {
        dial: async ({ id }) => ({ peer: id, role: 'initiator', binding: bindingWith(id) }),
        accepted: (peer) => ({ peer, role: 'responder', binding: bindingWith(peer) }),
      },
      signer,
      verify: verifyEd25519,
      config: () => values,
      meters: {
        ...silentMeters,
        ignored: (reason) => void this.ignored.set(reason, (this.ignored.get(reason) ?? 0) + 1),
      },
      log,
    };
  }

  /** Of the latest node with this index. */
  clockOf(index: number): SimClock {
    return this.#clocks.get(index)!;
  }

  recordOf(index: number, incarnation = this.world.node('signer').clock.wallMs()) {
    const ports = { clock: this.world.node('signer').clock, signer: signerOf(index) };
    return signRecord(ports, { addresses: [contactOf(index).address], version: '0.1.0' }, incarnation);
  }

  askFrom(from: NodeId): Ask<typeof overlayContract> {
    const { scheduler } = this.world;
    return (to, operation, input, timeoutMs) =>
      new Promise<never>((resolve, reject) => {
        const travel = (a: NodeId, b: NodeId, arrive: () => void) => {
          this.messages++;
          if (!this.isLost(a, b)) scheduler.after(oneWayMs, arrive);
        };
        scheduler.after(timeoutMs, () => reject(new RonError('deadline_exceeded', 'no answer')));
        travel(from, to.id, () => {
          const target = this.#byId.get(to.id);
          const answer = target?.handlers[operation as keyof Overlay['handlers']];
          if (answer === undefined) return;
          void answer(JSON.parse(JSON.stringify(input)), from).then(
            (output) => travel(to.id, from, () => resolve(JSON.parse(JSON.stringify(output)) as never)),
            (error: unknown) => travel(to.id, from, () => reject(error)),
          );
        });
      });
  }

  /** The machine is gone: no message reaches it. */
  crash(overlay: Overlay): void {
    overlay.stop();
    this.#byId.delete(overlay.id);
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.world.scheduler.settle(work);
  }

  pass(ms: number): Promise<void> {
    return this.world.scheduler.runFor(ms);
  }

  async until(holds: () => boolean, limitMs = 60_000): Promise<number> {
    const startMs = this.world.scheduler.nowMs;
    while (!holds()) {
      if (this.world.scheduler.nowMs - startMs > limitMs) throw new Error(`this did not become true in ${limitMs} ms`);
      await this.pass(100);
    }
    return this.world.scheduler.nowMs - startMs;
  }

  /** Every one of them knows all the others. */
  isComplete(nodes: readonly Overlay[] = this.nodes): boolean {
    return nodes.every(({ membership }) => membership.table.present === nodes.length - 1);
  }

  [Symbol.dispose](): void {
    for (const overlay of this.nodes) overlay.stop();
  }
}

export function contactOf(index: number): Contact {
  return { id: signerOf(index).id, address: `10.0.0.${index}:9700` };
}

/** `'taken'`, or the code and the reason. */
export async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'taken';
  } catch (error) {
    if (!(error instanceof RonError)) throw error;
    return [error.code, error.details?.['reason']].filter((part) => part !== undefined).join(' ');
  }
}
