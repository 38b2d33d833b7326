import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import type { PinnedObject, RepairOutput } from '@ron/proto/pins';
import { choosePlaces, type PlacementPeer } from '../placement/choose.ts';
import { Repair } from '../placement/repair.ts';
import { AddressQueue } from './address-queue.ts';
import type { CopyPorts } from './copy-ports.ts';
import { Offers } from './offers.ts';
import { placeNote, readNotes, wishNote } from './pin-notes.ts';
import { placeCopy } from './place-copy.ts';

const releaseMs = 5_000;
const sampleMax = 100;

/**
 * What this node keeps in copies on others (docs/specs/exchange.md, section 6). It always has one itself. The wish and where its
 * copies are stand with the object in storage; what is missing is made again by the repair.
 */
export class Pins implements Disposable {
  readonly #ports: CopyPorts;
  readonly #repair: Repair;
  readonly #offers: Offers;
  readonly #turns = new AddressQueue();

  constructor(ports: CopyPorts) {
    this.#ports = ports;
    this.#offers = new Offers(ports.clock);
    this.#repair = new Repair({
      clock: ports.clock,
      self: ports.self.id,
      limits: () => ports.settings().repair,
      peers: () => this.#peers(),
      stateOf: ports.stateOf,
      copy: (address, sizeBytes, to, from, signal) => this.#copyTo(address, sizeBytes, to, from, signal),
      drop: (address, node) => this.#drop(address, node),
    });
  }

  /** What was wanted before the node started, by the notes that storage has with an object. */
  adopt(address: string, sizeBytes: number, notes: readonly string[]): void {
    const { copies, nodes } = readNotes(notes);
    if (copies === undefined || this.#repair.wantedOf(address) !== undefined) return;
    const own = this.#ports.shelf.stat(address)?.state === 'live' ? [this.#self] : [];
    this.#repair.track(address, sizeBytes, copies, [...own, ...nodes]);
  }

  get status() {
    return this.#repair.status();
  }

  get repair(): Repair {
    return this.#repair;
  }

  /** Rejects as the operation `pin` says. */
  pin(address: string, copies: number, signal: AbortSignal): Promise<PinnedObject> {
    return this.#turns.run(address, async () => {
      this.#repair.requireRoom(address);
      await this.#bring(address, signal);
      const { sizeBytes } = this.#ports.shelf.stat(address)!;
      await this.#writeWish(address, copies);
      const known = this.#repair.holdersOf(address);
      const { holders, refusals } = await this.#spread(address, sizeBytes, copies, [this.#self, ...known], signal);
      this.#repair.track(address, sizeBytes, copies, holders);
      const pinned = this.#describe(address)!;
      const there = pinned.holders.filter(({ state }) => state !== 'dead').length;
      if (there < copies) throw tooFew(pinned, there, refusals);
      return pinned;
    });
  }

  /** False when it was not pinned. Other nodes are told as far as they are reached; what they keep ends with its time anyway. */
  unpin(address: string): Promise<boolean> {
    return this.#turns.run(address, async () => {
      const notes = readNotes(this.#ports.shelf.pins(address));
      const nodes = new Set([...notes.nodes, ...this.#repair.holdersOf(address)]);
      const wanted = notes.copies !== undefined || this.#repair.wantedOf(address) !== undefined;
      this.#repair.untrack(address);
      await this.#writeWish(address, undefined);
      await Promise.all([...nodes].map((node) => this.#drop(address, node)));
      return wanted;
    });
  }

  /** By address, those after `cursor`. */
  page(cursor: string, limit: number): readonly PinnedObject[] {
    const page: string[] = [];
    for (const address of this.#repair.addresses()) {
      if (address <= cursor || (page.length === limit && address > page.at(-1)!)) continue;
      const at = page.findIndex((other) => other > address);
      page.splice(at < 0 ? page.length : at, 0, address);
      page.length = Math.min(page.length, limit);
    }
    return page.flatMap((address) => this.#describe(address) ?? []);
  }

  async repairNow(dryRun: boolean, signal: AbortSignal): Promise<RepairOutput> {
    const before = this.#repair.status();
    const lacking = this.#lacking();
    if (!dryRun) await this.#repair.now(signal);
    const left = dryRun ? lacking : this.#lacking();
    const stillLacking = new Set(left);
    return {
      dry_run: dryRun,
      objects: before.objects,
      lacking: lacking.length,
      restored: lacking.filter((address) => !stillLacking.has(address)).length,
      copied_bytes: this.#repair.status().copiedBytes - before.copiedBytes,
      sample: left.slice(0, sampleMax).flatMap((address) => this.#describe(address) ?? []),
    };
  }

  /** A node, or this one, does not have its copy any more: it does not count, and another is made. Never rejects. */
  async lost(address: string, node: NodeId): Promise<void> {
    if (this.#repair.wantedOf(address) === undefined) return;
    this.#repair.onLost(address, node);
    if (node !== this.#self) await this.#forgetPlace(address, node);
  }

  [Symbol.dispose](): void {
    this.#repair[Symbol.dispose]();
  }

  get #self(): NodeId {
    return this.#ports.self.id;
  }

  #lacking(): string[] {
    return [...this.#repair.addresses()].filter((address) => this.#repair.isLacking(address));
  }

  /** What is in the trash comes back with its pin; what is damaged or elsewhere is fetched. */
  async #bring(address: string, signal: AbortSignal): Promise<void> {
    const state = this.#ports.shelf.stat(address)?.state;
    if (state === undefined || state === 'quarantined') await this.#ports.fetch({ address, sources: [] }, signal);
  }

  async #writeWish(address: string, copies: number | undefined): Promise<void> {
    const { shelf, storage } = this.#ports;
    const wish = copies === undefined ? undefined : wishNote(copies);
    if (wish !== undefined) await storage.pin({ address, holder: wish });
    const earlier = shelf.pins(address).filter((note) => note !== wish && readNotes([note]).copies !== undefined);
    for (const note of earlier) await storage.unpin({ address, holder: note });
  }

  /** All at once, then others in place of those who refuse, until there are enough or nobody is left. */
  async #spread(address: string, sizeBytes: number, copies: number, known: readonly NodeId[], signal: AbortSignal) {
    const holders = new Set(known);
    const refusals = new Map<NodeId, unknown>();
    for (;;) {
      const living = [...holders].filter((node) => this.#ports.stateOf(node) !== 'dead');
      const without = new Set([...refusals.keys(), ...holders].filter((node) => !living.includes(node)));
      const question = { address, sizeBytes, copies, holders: living, without, peers: this.#peers() };
      const chosen = choosePlaces(question);
      if (chosen.length === 0) return { holders: [...holders], refusals };
      await Promise.all(
        chosen.map(async (node) => {
          try {
            await this.#copyTo(address, sizeBytes, node, living, signal);
            holders.add(node);
          } catch (error) {
            signal.throwIfAborted();
            refusals.set(node, error);
          }
        }),
      );
    }
  }

  async #copyTo(address: string, sizeBytes: number, to: NodeId, from: readonly NodeId[], signal: AbortSignal) {
    const { meters, log, shelf } = this.#ports;
    const sources = from.flatMap((node) => this.#contactOf(node) ?? []);
    try {
      if (to === this.#self) {
        await this.#ports.fetch({ address, sizeBytes, sources }, signal);
      } else {
        const contact = this.#contactOf(to);
        if (contact === undefined) throw new RonError('unavailable', 'the node is not there any more');
        const { free_bytes } = await placeCopy(this.#ports, { address, sizeBytes, to: contact, sources }, signal);
        this.#offers.note(to, free_bytes);
        await shelf.setPin(address, placeNote(to), true);
      }
      meters.made('made', sizeBytes);
    } catch (err) {
      meters.made('failed', sizeBytes);
      log.warn({ err, address, node: to }, 'a copy was not made');
      if (isRefusal(err, 'no_space')) this.#offers.note(to, 0);
      throw err;
    }
  }

  async #drop(address: string, node: NodeId): Promise<void> {
    if (node === this.#self) return;
    const to = this.#contactOf(node);
    // A node that is not reached keeps its copy until the time of it is over.
    if (to !== undefined) await this.#ports.ask(to, 'release', { address }, releaseMs).catch(() => undefined);
    await this.#forgetPlace(address, node);
  }

  /** A note that stays behind names a node that is asked once in vain. */
  async #forgetPlace(address: string, node: NodeId): Promise<void> {
    const { shelf, log } = this.#ports;
    await shelf
      .setPin(address, placeNote(node), false)
      .catch((err: unknown) => log.warn({ err, address }, 'where a copy stands was not forgotten'));
  }

  #contactOf(node: NodeId): Contact | undefined {
    return node === this.#self ? this.#ports.self : this.#ports.contactOf(node);
  }

  /** This node among them: its region counts, and what it has lost it gets back first. */
  #peers(): readonly PlacementPeer[] {
    const { mayKeep, self, failuresOf, stateOf } = this.#ports;
    return [self, ...mayKeep()].map(({ id, region }) => ({
      id,
      freeBytes: this.#offers.freeOf(id),
      state: stateOf(id),
      quality: id === self.id ? 1 : 1 - failuresOf(id),
      ...(region === undefined ? {} : { region }),
    }));
  }

  #describe(address: string): PinnedObject | undefined {
    const wanted = this.#repair.wantedOf(address);
    if (wanted === undefined) return undefined;
    const holders = this.#repair.holdersOf(address).map((node) => {
      const region = this.#contactOf(node)?.region;
      return { node, state: this.#ports.stateOf(node), ...(region === undefined ? {} : { region }) };
    });
    return { address, size: wanted.sizeBytes, copies: wanted.copies, holders };
  }
}

function isRefusal(error: unknown, reason: string): boolean {
  return error instanceof RonError && error.details?.['reason'] === reason;
}

function tooFew({ address, copies }: PinnedObject, there: number, refusals: ReadonlyMap<NodeId, unknown>): RonError {
  const reasons = [...refusals].map(([node, error]) => [node, error instanceof RonError ? wordOf(error) : 'internal']);
  const message =
    `${there} of ${copies} copies were made: no other trusted node takes one now. ` +
    'The object is kept here, and the node goes on trying (ron pin ls; ron peers)';
  return new RonError('unavailable', message, {
    details: { address, copies: there, wanted: copies, refused: Object.fromEntries(reasons.slice(0, 16)) },
  });
}

function wordOf({ code, details }: RonError): string {
  const reason = details?.['reason'];
  return typeof reason === 'string' ? reason : code;
}
