import { sleep } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { CopyChecks } from '../copies/copy-checks.ts';
import type { CheckOutcome } from '../copies/copy-meters.ts';
import type { CopyPorts, CopySettings } from '../copies/copy-ports.ts';
import { Pins } from '../copies/pins.ts';
import { createExchangeHandlers, type ExchangeHandlers } from '../exchange-handlers.ts';
import { repairLimitsDefault } from '../placement/repair-limits.ts';
import { type PlacementLimits, Placements } from '../placements.ts';
import { MemoryBlobs } from './blobs.ts';
import { testObject } from './fake-peers.ts';
import { MemoryShelf } from './memory-shelf.ts';

const idOf = (index: number) => (Math.imul(index + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0').repeat(8);

/** A node of the network: what it keeps for itself and for others. */
export class CopyNode {
  readonly contact: Contact;
  readonly shelf = new MemoryShelf();
  readonly outcomes: CheckOutcome[] = [];
  isUp = true;
  pins!: Pins;
  checks!: CopyChecks;
  placements!: Placements;
  handlers!: ExchangeHandlers;
  readonly #network: CopyNetwork;

  constructor(network: CopyNetwork, index: number, region: string | undefined) {
    this.#network = network;
    this.contact = { id: idOf(index), address: `192.0.2.${index + 1}:1`, ...(region === undefined ? {} : { region }) };
    this.start();
  }

  get id(): NodeId {
    return this.contact.id;
  }

  has(address: string): boolean {
    return this.shelf.stat(address)?.state === 'live';
  }

  /** Also after a crash, of which only the shelf is left. */
  start(): void {
    const { env, settings, placing } = this.#network;
    const { clock } = env;
    const { shelf } = this;
    const keeper = {
      durability: shelf.durability,
      freeBytes: async () => 1_000_000_000,
      has: async (address: string) => this.has(address),
      fetch: ({ address, sources }: { address: string; sources: readonly Contact[] }, signal: AbortSignal) =>
        this.#fetch(address, sources, signal),
      pin: (address: string, holder: string) => shelf.setPin(address, holder, true),
      unpin: (address: string, holder: string) => shelf.setPin(address, holder, false),
    } as const;
    this.placements = new Placements(
      clock,
      keeper,
      () => true,
      () => ({ reserveBytes: 0, ...placing }),
    );
    const blobs = {
      stat: async (address: string) => {
        const found = this.has(address) ? shelf.stat(address) : undefined;
        return found && { size: found.sizeBytes, groups: 'all' as const };
      },
      outboard: (address: string) => new MemoryBlobs([shelf.objects.get(address)!.object]).outboard(address),
      slice: (address: string, start: number, length: number) =>
        new MemoryBlobs([shelf.objects.get(address)!.object]).slice(address, start, length),
    };
    const maySend = () => true;
    this.handlers = createExchangeHandlers({ self: this.id, clock, blobs, maySend, placements: this.placements });
    const ports: CopyPorts = {
      self: this.contact,
      clock,
      random: env.random,
      log: this.#network.log,
      meters: { made: () => undefined, checked: (outcome) => void this.outcomes.push(outcome) },
      shelf,
      storage: {
        pin: async ({ address, holder }) => {
          await shelf.setPin(address, holder, true);
          return {};
        },
        unpin: async ({ address, holder }) => {
          await shelf.setPin(address, holder, false);
          return {};
        },
      },
      mayKeep: () => this.#network.nodes.filter((node) => node !== this && node.isUp).map(({ contact }) => contact),
      fetch: ({ address, sources }, signal) => this.#fetch(address, sources, signal),
      ask: (to, operation, input) => this.#network.ask(this.id, to, operation, input as never) as never,
      contactOf: (id) => this.#network.nodes.find((node) => node.id === id)?.contact,
      stateOf: (id) => (this.#network.nodes.find((node) => node.id === id)?.isUp === true ? 'alive' : 'dead'),
      failuresOf: () => 0,
      settings: () => settings,
    };
    this.pins = new Pins(ports);
    this.checks = new CopyChecks(ports, this.pins);
  }

  /** From the first source that has it; a network of no sources: whoever has it. */
  async #fetch(address: string, sources: readonly Contact[], signal: AbortSignal): Promise<void> {
    const { nodes, env } = this.#network;
    await sleep(env.clock, 20, signal);
    const asked = sources.length === 0 ? nodes : nodes.filter(({ id }) => sources.some((source) => source.id === id));
    const source = asked.find((node) => node.isUp && node.has(address));
    if (source === undefined) throw new RonError('not_found', 'nobody has the object');
    this.shelf.put(source.shelf.objects.get(address)!.object);
  }
}

/** Nodes that all trust each other, over virtual time. */
export class CopyNetwork {
  readonly env = createSimEnv({ seed: 3 });
  readonly nodes: readonly CopyNode[];
  readonly settings: CopySettings;
  readonly placing: Partial<PlacementLimits>;
  readonly log = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
    child: () => this.log,
  } as never;

  constructor(regions: readonly (string | undefined)[], placing: Partial<PlacementLimits> = {}) {
    this.placing = placing;
    this.settings = { ttlMs: 86_400_000, checkMs: 600_000, repair: repairLimitsDefault };
    this.nodes = regions.map((region, index) => new CopyNode(this, index, region));
  }

  /** An object that a node has. */
  put(node: CopyNode, size: number, seed = 1): string {
    const object = testObject(size, seed);
    node.shelf.put(object);
    return object.address;
  }

  holders(address: string): readonly CopyNode[] {
    return this.nodes.filter((node) => node.isUp && node.has(address));
  }

  /** As membership finds it out. */
  set(node: CopyNode, isUp: boolean): void {
    node.isUp = isUp;
    for (const other of this.nodes) if (other !== node) other.pins.repair.onPeer(node.id, isUp ? 'alive' : 'dead');
  }

  /** Runs virtual time until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const ended = promise.finally(() => {
      isOver = true;
    });
    ended.catch(() => undefined);
    for (let step = 0; !isOver && step < 20_000; step++) await this.env.scheduler.runFor(50);
    return await ended;
  }

  async ask(from: NodeId, to: Contact, operation: string, input: never): Promise<unknown> {
    if (operation !== 'place' && operation !== 'release' && operation !== 'challenge') throw new Error(operation);
    const node = this.nodes.find(({ id }) => id === to.id)!;
    await sleep(this.env.clock, 5);
    if (!node.isUp) throw new RonError('unavailable', 'the node is not reached');
    return await node.handlers[operation](input, from);
  }
}
