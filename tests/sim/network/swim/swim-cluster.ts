import { createInlineWork } from '@ron/kernel/real';
import type { Contact, NodeId } from '@ron/proto/network';
import {
  type AnswerCheck,
  loadAnswerCheck,
  type NodeHandlers,
  type Overlay,
  OverlayConfig,
} from '@ron/svc-overlay/service';
import { Value } from 'typebox/value';
import type { SimulatedNetwork } from '../scenario.ts';
import { createCheapSigner } from './cheap-keys.ts';
import { createSimOverlay, serveOverlay } from './sim-overlay.ts';

export type SwimCanary = 'no-refutation' | 'no-dedupe';
export const swimCanaries: readonly SwimCanary[] = ['no-refutation', 'no-dedupe'];

export const simulatedTopic = 'news';
const seedsCount = 3;

export interface SwimNode {
  readonly contact: Contact;
  readonly overlay: Overlay;
  readonly endpoint: ReturnType<SimulatedNetwork['net']['attach']>;
  isRunning: boolean;
}

/** What went wrong or well, for the scenario to judge. */
export interface SwimCounts {
  /** Somebody believed that a node is dead which runs: observer and subject. */
  falseDeaths: number;
  readonly falselyDead: Set<NodeId>;
  delivered: number;
  readonly probes: { direct: number; indirect: number; failed: number };
}

/** Overlays on one simulated network: the production code, with cheap keys. */
export class SwimCluster {
  readonly network: SimulatedNetwork;
  readonly nodes: SwimNode[] = [];
  readonly counts: SwimCounts = {
    falseDeaths: 0,
    falselyDead: new Set(),
    delivered: 0,
    probes: { direct: 0, indirect: 0, failed: 0 },
  };
  readonly #running = new Set<NodeId>();
  readonly #isAnswer: AnswerCheck;
  readonly #canary: SwimCanary | undefined;
  readonly #config: OverlayConfig;
  readonly #work = createInlineWork();
  /** While it is set, deaths are what is asked for. */
  isCut = false;

  private constructor(network: SimulatedNetwork, isAnswer: AnswerCheck, canary: SwimCanary | undefined) {
    this.network = network;
    this.#isAnswer = isAnswer;
    this.#canary = canary;
    this.#config = Value.Create(OverlayConfig);
  }

  static async create(network: SimulatedNetwork, canary?: SwimCanary): Promise<SwimCluster> {
    return new SwimCluster(network, await loadAnswerCheck(), canary);
  }

  get running(): SwimNode[] {
    return this.nodes.filter(({ isRunning }) => isRunning);
  }

  /** Makes a node and starts it. */
  async add(): Promise<SwimNode> {
    const { net, random } = this.network;
    const index = this.nodes.length;
    const own = random.fork(`node ${index}`);
    const blake3 = this.#blake3();
    const signer = createCheapSigner(own.bytes(32), blake3);
    const { regions } = this.network.latency.plan;
    const region = regions[index % regions.length]!;
    const contact = { id: signer.id, address: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:9700`, region };
    let handlers: NodeHandlers | undefined;
    const endpoint = net.attach(
      contact,
      serveOverlay(() => handlers),
    );
    const { overlay } = createSimOverlay({
      network: this.network,
      random: own,
      contact,
      signer,
      endpoint,
      blake3,
      config: () => this.#config,
      isAnswer: this.#isAnswer,
      seeds: this.nodes.slice(0, seedsCount).map((node) => node.contact),
      topics: [simulatedTopic],
      meters: { probed: (outcome) => void this.counts.probes[outcome]++ },
    });
    ({ handlers } = overlay);
    const node = { contact, overlay, endpoint, isRunning: true };
    this.#watch(overlay);
    this.nodes.push(node);
    this.#running.add(contact.id);
    await overlay.start();
    return node;
  }

  crash(node: SwimNode): void {
    node.isRunning = false;
    this.#running.delete(node.contact.id);
    node.overlay.stop();
    this.network.net.crash(node.contact.id);
  }

  /** Every running node knows every other, and nobody else. */
  get isComplete(): boolean {
    const { running } = this;
    return running.every(({ overlay }) => overlay.membership.table.present === running.length - 1);
  }

  /** Steps of 100 ms until it holds; the milliseconds that it took, or undefined after `limitMs`. */
  async until(holds: () => boolean, limitMs: number): Promise<number | undefined> {
    const { scheduler } = this.network;
    const startMs = scheduler.nowMs;
    while (!holds()) {
      if (scheduler.nowMs - startMs >= limitMs) return undefined;
      await scheduler.runFor(100);
    }
    return scheduler.nowMs - startMs;
  }

  #watch(overlay: Overlay): void {
    overlay.onMember(({ record, state }) => {
      if (state !== 'dead' || this.isCut || !this.#running.has(record.id)) return;
      this.counts.falseDeaths++;
      this.counts.falselyDead.add(record.id);
    });
    overlay.subscribe(simulatedTopic, () => {
      this.counts.delivered++;
    });
    if (this.#canary === 'no-refutation') overlay.membership.self.refute = () => undefined;
  }

  /** Without dedupe: no statement has the same hash twice. Keys are hashed as they are. */
  #blake3(): (bytes: Uint8Array) => Uint8Array {
    const real = (bytes: Uint8Array) => this.#work.blake3(bytes);
    if (this.#canary !== 'no-dedupe') return real;
    let count = 0;
    return (bytes) => {
      const hash = real(bytes);
      if (bytes.length > 32) new DataView(hash.buffer, hash.byteOffset).setUint32(0, count++);
      return hash;
    };
  }
}
