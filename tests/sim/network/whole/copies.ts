import { type Clock, sleep } from '@ron/kernel';
import { defineContract } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { exchangeOperations } from '@ron/proto/exchange';
import type { Contact, NodeId } from '@ron/proto/network';
import {
  choosePlaces,
  type Keeper,
  type PlacementPeer,
  Placements,
  Repair,
  repairLimitsDefault,
} from '@ron/svc-overlay/service';
import type { Ask } from '@ron/transport';

/** The exchange of objects, by an app of its own here. */
export const copiesContract = defineContract({ name: 'exchange', app: 0x8101, operations: exchangeOperations });

const answerMs = 5_000;
const pollMs = 500;
/** Milliseconds in which a write has its copies or is refused. */
const writeMs = 20_000;
const ttlMs = 7 * 24 * 3_600_000;
const freeBytes = 2 ** 40;
/** Bytes a millisecond of one transfer. */
const bytesPerMs = 12_500;

export interface CopiesPorts {
  readonly self: Contact;
  readonly clock: Clock;
  readonly ask: Ask<typeof copiesContract>;
  readonly contactOf: (id: NodeId) => Contact | undefined;
  readonly peers: () => readonly PlacementPeer[];
  readonly stateOf: (id: NodeId) => PlacementPeer['state'];
  /** An object is here from now on. */
  readonly onStored: (address: string) => void;
  /** A build that says that a write is done before its copies are, or never makes missing ones again. */
  readonly breaks: 'ack-early' | 'no-repair' | undefined;
}

/** The production placements and repair of one node. Bytes are numbers: a transfer takes its time and needs its source at both ends of it. */
export class Copies implements Keeper, Disposable {
  readonly durability = 'fsync';
  readonly stored = new Map<string, number>();
  readonly repair: Repair;
  readonly #ports: CopiesPorts;
  readonly #placements: Placements;

  constructor(ports: CopiesPorts) {
    this.#ports = ports;
    const { clock, peers, stateOf } = ports;
    this.#placements = new Placements(clock, this, () => true);
    this.repair = new Repair({
      clock,
      self: ports.self.id,
      limits: () => repairLimitsDefault,
      peers,
      stateOf,
      copy: (address, sizeBytes, to, from, signal) => this.#copyTo(address, sizeBytes, to, from, signal),
      drop: async (address, node) => {
        const to = ports.contactOf(node);
        if (to !== undefined && node !== ports.self.id) await ports.ask(to, 'release', { address }, answerMs);
      },
    });
  }

  [Symbol.dispose](): void {
    this.repair[Symbol.dispose]();
    this.#placements[Symbol.dispose]();
  }

  /** Resolves when `copies` nodes have the object, this one among them, and rejects when they have not in time. */
  async write(address: string, sizeBytes: number, copies: number): Promise<void> {
    const { self, clock, breaks } = this.#ports;
    this.#store(address, sizeBytes);
    const signal = new AbortController();
    const timer = clock.after(writeMs, () => signal.abort(new RonError('deadline_exceeded', 'too few copies in time')));
    const spreading = this.#spread(address, sizeBytes, copies, signal.signal);
    if (breaks === 'ack-early') return void spreading.catch(() => undefined);
    const holders = await spreading.finally(() => timer.cancel());
    if (breaks !== 'no-repair') this.repair.track(address, sizeBytes, copies, [self.id, ...holders]);
  }

  answer(operation: string, input: unknown, from: NodeId): Promise<unknown> {
    const { address, addresses = [] } = input as { address: string; addresses?: readonly string[] };
    if (operation === 'place') return this.#placements.place(input as Parameters<Placements['place']>[0], from);
    if (operation === 'release') return this.#placements.release(address, from).then((released) => ({ released }));
    const held = addresses.filter((one) => this.stored.has(one));
    return Promise.resolve({
      held: held.map((one) => ({ address: one, size: this.stored.get(one)!, complete: true })),
    });
  }

  async has(address: string): Promise<boolean> {
    return this.stored.has(address);
  }

  async freeBytes(): Promise<number> {
    return freeBytes;
  }

  async fetch({ address, size, sources }: Parameters<Keeper['fetch']>[0], signal: AbortSignal): Promise<void> {
    for (const source of sources) {
      if (!(await this.isAt(source, address))) continue;
      await sleep(this.#ports.clock, size / bytesPerMs, signal);
      if (!(await this.isAt(source, address))) continue;
      this.#store(address, size);
      return;
    }
    throw new RonError('unavailable', 'no source has it');
  }

  pin(): Promise<void> {
    return Promise.resolve();
  }

  /** Each object has one writer, so nobody else wants it here. */
  async unpin(address: string): Promise<void> {
    this.stored.delete(address);
  }

  /** Asked twice: the first message may be lost. */
  async isAt(node: Contact, address: string): Promise<boolean> {
    for (let tries = 0; tries < 2; tries++) {
      try {
        const { held } = await this.#ports.ask(node, 'have', { addresses: [address] }, answerMs);
        return held.length === 1;
      } catch (error) {
        if (!(error instanceof RonError)) throw error;
      }
    }
    return false;
  }

  #store(address: string, sizeBytes: number): void {
    if (this.stored.has(address)) return;
    this.stored.set(address, sizeBytes);
    this.#ports.onStored(address);
  }

  /** Others in place of those who refuse, until there are enough. */
  async #spread(address: string, sizeBytes: number, copies: number, signal: AbortSignal): Promise<readonly NodeId[]> {
    const { self, peers } = this.#ports;
    const holders = [self.id];
    const without = new Set<NodeId>();
    for (;;) {
      const chosen = choosePlaces({ address, sizeBytes, copies, holders, without, peers: peers() });
      if (holders.length >= copies) return holders;
      if (chosen.length === 0) throw new RonError('unavailable', 'nobody is left to keep a copy');
      await Promise.all(
        chosen.map(async (node) => {
          try {
            await this.#copyTo(address, sizeBytes, node, [self.id], signal);
            holders.push(node);
          } catch (error) {
            signal.throwIfAborted();
            if (!(error instanceof RonError)) throw error;
            without.add(node);
          }
        }),
      );
    }
  }

  async #copyTo(address: string, size: number, to: NodeId, from: readonly NodeId[], signal: AbortSignal) {
    const { self, ask, clock, contactOf } = this.#ports;
    const known = (id: NodeId) => (id === self.id ? self : contactOf(id));
    const target = contactOf(to);
    const sources = from.flatMap((id) => known(id) ?? []).slice(0, 8);
    if (target === undefined) throw new RonError('unavailable', 'the node is not known any more');
    for (;;) {
      signal.throwIfAborted();
      const input = { address, size, durability: this.durability, ttl_ms: ttlMs, sources } as const;
      const { state } = await ask(target, 'place', input, answerMs);
      if (state === 'held') return;
      if (state === 'refused') throw new RonError('unavailable', 'the node takes no copy');
      await sleep(clock, pollMs, signal);
    }
  }
}
