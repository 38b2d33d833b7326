import { Violation } from './violation.ts';

/** What a client asked of a name. `version` is the expected one; 0 = the name must not exist; undefined = any. */
export interface NameChange {
  readonly kind: 'set' | 'remove';
  readonly address: string;
  readonly expected: number | undefined;
}

interface Pending extends NameChange {
  /** Taken effect as far as somebody has seen. */
  seen: boolean;
}

/** What is known of one name. Its states are ordered: version v live is 2v, version v removed is 2v + 1, never set is 0. */
interface KnownName {
  /** The latest state that somebody was told. */
  floor: number;
  readonly addresses: Map<number, string>;
  /** Versions that the bounded history certainly still holds. */
  readonly kept: Set<number>;
  readonly ackedBy: Set<number>;
  /** Changes that run or ended without an answer. */
  readonly pending: Set<Pending>;
}

export interface ChangeTicket {
  readonly change: NameChange;
  readonly floor: number;
  readonly alone: boolean;
}

/** Told when a version is certainly kept, or no longer certainly. */
export interface VersionEvents {
  kept(name: string, version: number, address: string): void;
  released(name: string, version: number, address: string): void;
}

/**
 * The reference model of names: each is a register with compare-and-set whose states only move up. Every answer is
 * checked against what was told before the question was asked; that is linearizability, because the states are ordered.
 */
export class NameModel {
  readonly #names = new Map<string, KnownName>();
  readonly #events: VersionEvents;
  readonly #historyMax: number;

  constructor(historyMax: number, events: VersionEvents) {
    this.#historyMax = historyMax;
    this.#events = events;
  }

  names(): readonly string[] {
    return [...this.#names.keys()];
  }

  /** The latest state that somebody was told, as of now: what a question asked now may not fall behind. */
  floor(name: string): number {
    return this.#of(name).floor;
  }

  /** The version that a client would expect now. */
  version(name: string): number {
    const { floor } = this.#of(name);
    return floor % 2 === 1 ? 0 : floor / 2;
  }

  begin(name: string, change: NameChange): ChangeTicket {
    const known = this.#of(name);
    const ticket = {
      change: { ...change, seen: false } as Pending,
      floor: known.floor,
      alone: known.pending.size === 0,
    };
    known.pending.add(ticket.change as Pending);
    this.#forget(name, known);
    return ticket;
  }

  /** The change is done, and is version `version`. */
  acknowledge(name: string, ticket: ChangeTicket, version: number): void {
    const known = this.#of(name);
    const { change } = ticket;
    const state = change.kind === 'set' ? 2 * version : 2 * version + 1;
    if (state <= ticket.floor)
      this.#broken(name, `${change.kind} became version ${version}, behind ${ticket.floor / 2}`);
    if (change.kind === 'set') {
      if (known.ackedBy.has(version)) this.#broken(name, `two changes became version ${version}`);
      known.ackedBy.add(version);
      const expectedPast = change.expected !== undefined && change.expected > 0 && version !== change.expected + 1;
      if (expectedPast) this.#broken(name, `a change of version ${change.expected} became version ${version}`);
      if (change.expected === 0 && ticket.alone && ticket.floor % 2 === 0 && ticket.floor > 0)
        this.#broken(name, 'a change that wants a new name was done on an existing one');
      this.#bindTo(name, known, version, change as Pending);
    } else if (change.expected !== undefined && change.expected !== version) {
      this.#broken(name, `a removal of version ${change.expected} removed version ${version}`);
    }
    known.pending.delete(change as Pending);
    known.floor = Math.max(known.floor, state);
    this.#forget(name, known);
  }

  /** The change was refused and did nothing. */
  refuse(name: string, ticket: ChangeTicket): void {
    this.#of(name).pending.delete(ticket.change as Pending);
  }

  /** A `conflict` or `not_found` is only right when somebody else may have changed the name. */
  refuseAsStale(name: string, ticket: ChangeTicket): void {
    const known = this.#of(name);
    known.pending.delete(ticket.change as Pending);
    const { expected, kind } = ticket.change;
    const undisturbed = ticket.alone && known.pending.size === 0 && known.floor === ticket.floor;
    if (!undisturbed) return;
    const live = ticket.floor % 2 === 1 ? 0 : ticket.floor / 2;
    const fits = kind === 'set' ? expected === undefined || expected === live : live > 0 && (expected ?? live) === live;
    if (fits) this.#broken(name, `a fitting ${kind} of version ${expected} was refused at state ${ticket.floor}`);
  }

  /** A read begun at `floor` found this version, or nothing (0). */
  observe(name: string, floor: number, version: number, address: string | undefined): void {
    const known = this.#of(name);
    if (version === 0) {
      const removing = [...known.pending].some(({ kind }) => kind === 'remove');
      if (floor > 0 && floor % 2 === 0 && known.floor % 2 === 0 && !removing && known.floor === floor)
        this.#broken(name, `version ${floor / 2} is gone`);
      return;
    }
    if (2 * version < floor) this.#broken(name, `version ${version} was read after state ${floor} was told`);
    this.#bind(name, known, version, address);
    known.floor = Math.max(known.floor, 2 * version);
    this.#forget(name, known);
  }

  /**
   * All of a name's kept versions, newest first, read while nothing else ran after a crash: what is not among them of
   * the changes without an answer did not happen and never will. Gives back how many did and did not.
   */
  settle(name: string, live: boolean, versions: readonly { version: number; address: string }[]) {
    const known = this.#of(name);
    const top = versions[0]?.version ?? 0;
    const state = top === 0 ? 0 : live ? 2 * top : 2 * top + 1;
    if (state < known.floor) this.#broken(name, `state ${state} after a crash, but ${known.floor} was acknowledged`);
    versions.forEach(({ version, address }, index) => {
      if (version !== top - index) this.#broken(name, `version ${top - index} is missing from the history`);
      this.#bind(name, known, version, address);
    });
    if (versions.length < Math.min(top, this.#historyMax))
      this.#broken(name, `only ${versions.length} of ${top} versions`);
    // A removal without an answer explains a removed state; nothing else does.
    if (state % 2 === 1 && state > known.floor && ![...known.pending].some(({ kind }) => kind === 'remove'))
      this.#broken(name, 'it was removed by nobody');
    const kept = [...known.pending].filter(({ kind, seen }) => (kind === 'set' ? seen : state % 2 === 1)).length;
    const lost = known.pending.size - kept;
    known.pending.clear();
    known.floor = state;
    this.#forget(name, known);
    return { kept, lost };
  }

  #bind(name: string, known: KnownName, version: number, address: string | undefined): void {
    const before = known.addresses.get(version);
    if (before !== undefined) {
      if (address !== undefined && before !== address)
        this.#broken(name, `version ${version} is ${address} now and was ${before}`);
      return;
    }
    const makers = [...known.pending].filter(
      (change) => !change.seen && change.kind === 'set' && change.address === address,
    );
    const maker =
      makers.find(({ expected }) => expected === version - 1) ??
      makers.find(({ expected }) => expected === undefined || expected === 0);
    if (maker === undefined) this.#broken(name, `nobody made version ${version} with ${address}`);
    this.#bindTo(name, known, version, maker);
  }

  #bindTo(name: string, known: KnownName, version: number, maker: Pending): void {
    const before = known.addresses.get(version);
    if (before !== undefined && before !== maker.address)
      this.#broken(name, `version ${version} was ${before} and is told to be ${maker.address}`);
    if (before !== undefined) return;
    maker.seen = true;
    known.addresses.set(version, maker.address);
    known.kept.add(version);
    this.#events.kept(name, version, maker.address);
  }

  /** History is bounded: what the changes under way may push out is no longer certain. */
  #forget(name: string, known: KnownName): void {
    const topMax = Math.floor(known.floor / 2) + [...known.pending].filter(({ kind }) => kind === 'set').length;
    for (const version of known.kept) {
      if (version > topMax - this.#historyMax) continue;
      known.kept.delete(version);
      this.#events.released(name, version, known.addresses.get(version)!);
    }
  }

  #of(name: string): KnownName {
    let known = this.#names.get(name);
    if (known === undefined) {
      known = { floor: 0, addresses: new Map(), kept: new Set(), ackedBy: new Set(), pending: new Set() };
      this.#names.set(name, known);
    }
    return known;
  }

  #broken(name: string, what: string): never {
    throw new Violation(`name ${name}: ${what}`);
  }
}
