import type { Timer } from '@ron/kernel';
import type { SimRandom, SimScheduler } from '@ron/kernel/sim';
import type { Contract } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import type { Ask } from '@ron/transport';
import type { Latency, Place } from './latency.ts';
import type { Fate, LinkFaults } from './link-faults.ts';
import { jsonBytesAbout, MessageWire } from './message-wire.ts';

/** Answers what other nodes ask; `from` is the id that the channel proved. `app` is the name of the contract. */
export type Serve = (operation: string, input: unknown, from: NodeId, app: string) => Promise<unknown>;

export interface MessageNetOptions {
  readonly scheduler: SimScheduler;
  readonly random: SimRandom;
  readonly latency: Latency;
  readonly faults: LinkFaults;
  /** Messages go through JSON and the schemas of their contract, as real ones do. Slow: for small networks. */
  readonly wire?: boolean;
  /**
   * Round trips before the first question of one node to another: 3 for TCP, TLS 1.3 and the HELLO of OAP, whose answer
   * the opener waits for. Default 0. A connection carries the questions of the node that opened it and of no other.
   */
  readonly handshakeRoundTrips?: number;
}

/** Milliseconds for which an unused connection stays open, as OAP's. */
const idleMs = 60_000;
/** Connections that a node keeps, as `linksMax` of ron-transport; the least recently used goes first. */
const connectionsMax = 256;

/** One node's end of the network. */
export class Endpoint {
  readonly contact: Contact;
  readonly place: Place;
  readonly serve: Serve;
  /** Until when the connection to that node is open. */
  readonly connections = new Map<NodeId, number>();
  attached = true;
  sent = 0;
  received = 0;
  bytesSent = 0;
  bytesReceived = 0;
  readonly #net: MessageNet;

  constructor(net: MessageNet, contact: Contact, place: Place, serve: Serve) {
    this.#net = net;
    this.contact = contact;
    this.place = place;
    this.serve = serve;
  }

  /** How this node asks others. What is still unanswered when it crashes stays so for ever. */
  ask<C extends Contract>(contract: C): Ask<C> {
    return (to, operation, input, timeoutMs) =>
      this.#net.ask(this, contract, to, operation, input, timeoutMs) as Promise<never>;
  }
}

interface Exchange {
  readonly from: Endpoint;
  readonly to: Contact;
  readonly contract: Contract;
  readonly operation: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  timer: Timer | undefined;
}

/**
 * Messages between any number of nodes on virtual time. A message is two events and no copy, so that ten thousand nodes fit in
 * one process: what is sent must not be changed afterwards by either side (`wire` shows whether that holds).
 */
export class MessageNet {
  readonly scheduler: SimScheduler;
  readonly latency: Latency;
  readonly faults: LinkFaults;
  readonly #random: SimRandom;
  readonly #places: SimRandom;
  readonly #wire: MessageWire | undefined;
  readonly #handshakeRoundTrips: number;
  readonly #byAddress = new Map<string, Endpoint>();
  readonly #byId = new Map<NodeId, Endpoint>();
  /** Machines without a process, which refuse connections. */
  readonly #left = new Map<string, Endpoint>();
  /** Of nodes that are gone, too. */
  readonly totals = { messages: 0, bytes: 0, asked: 0, timedOut: 0 };

  constructor({ scheduler, random, latency, faults, wire, handshakeRoundTrips }: MessageNetOptions) {
    this.scheduler = scheduler;
    this.latency = latency;
    this.faults = faults;
    this.#random = random.fork('messages');
    this.#places = random.fork('places');
    this.#wire = wire === true ? new MessageWire() : undefined;
    this.#handshakeRoundTrips = handshakeRoundTrips ?? 0;
  }

  get size(): number {
    return this.#byAddress.size;
  }

  /** The node is reached at `contact.address` from now on. */
  attach(contact: Contact, serve: Serve): Endpoint {
    if (this.#byAddress.has(contact.address)) throw new Error(`${contact.address} is in use`);
    const endpoint = new Endpoint(this, contact, this.latency.placeIn(contact.region, this.#places), serve);
    this.#byAddress.set(contact.address, endpoint);
    this.#left.delete(contact.address);
    this.#byId.set(contact.id, endpoint);
    this.scheduler.record(`attach ${contact.id}`);
    return endpoint;
  }

  endpointOf(id: NodeId): Endpoint | undefined {
    return this.#byId.get(id);
  }

  /** Whether the next message from one to the other needs no handshake. */
  isLinked(from: NodeId, to: NodeId): boolean {
    if (this.#handshakeRoundTrips === 0) return true;
    return (this.#byId.get(from)?.connections.get(to) ?? 0) > this.scheduler.nowMs;
  }

  /** The process ends and its machine stays: who asks it is refused after a round trip. */
  detach(id: NodeId): void {
    this.#remove(id, 'leave');
  }

  /** The machine is gone: who asks it hears nothing. */
  crash(id: NodeId): void {
    this.#remove(id, 'crash');
  }

  ask(
    from: Endpoint,
    contract: Contract,
    to: Contact,
    operation: string,
    input: unknown,
    timeoutMs: number,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const exchange: Exchange = { from, to, contract, operation, resolve, reject, timer: undefined };
      if (!from.attached) return;
      this.totals.asked++;
      exchange.timer = this.scheduler.after(timeoutMs, () => this.#timeOut(exchange), 'timeout');
      this.#sendRequest(exchange, input);
    });
  }

  #remove(id: NodeId, how: 'leave' | 'crash'): void {
    const endpoint = this.#byId.get(id);
    if (endpoint === undefined) return;
    endpoint.attached = false;
    this.#byId.delete(id);
    this.#byAddress.delete(endpoint.contact.address);
    if (how === 'leave') this.#left.set(endpoint.contact.address, endpoint);
    this.faults.count(how);
    this.scheduler.record(`${how} ${id}`);
  }

  #sendRequest(exchange: Exchange, input: unknown): void {
    const { from, to, contract, operation } = exchange;
    const target = this.#byAddress.get(to.address) ?? this.#left.get(to.address);
    const fate = this.faults.fateOf(from.contact.id, to.id);
    const bytes = this.#countSent(from, input);
    if (target === undefined) return;
    const oneWayMs = this.latency.oneWayMs(from.place, target.place, this.#random);
    const dialMs = this.#dialMs(from, target, oneWayMs);
    for (const waitMs of fate) {
      this.#deliver(oneWayMs + dialMs + waitMs, operation, () => {
        const refusal = refusalOf(target, to);
        if (refusal !== undefined) {
          this.#reply(exchange, target, undefined, refusal);
          return;
        }
        countReceived(target, bytes);
        this.#answer(exchange, target, this.#carried(exchange, 'input', input), contract.name);
      });
    }
  }

  #answer(exchange: Exchange, target: Endpoint, input: unknown, app: string): void {
    if (input instanceof RonError) {
      this.#reply(exchange, target, undefined, input);
      return;
    }
    const { from, operation } = exchange;
    target.serve(operation, input, from.contact.id, app).then(
      (output) => this.#reply(exchange, target, output, undefined),
      (error: unknown) => this.#reply(exchange, target, undefined, asRefusal(error)),
    );
  }

  #reply(exchange: Exchange, target: Endpoint, output: unknown, error: RonError | undefined): void {
    const { from, operation } = exchange;
    const fate: Fate = this.faults.fateOf(target.contact.id, from.contact.id);
    const bytes = this.#countSent(target, output);
    const oneWayMs = this.latency.oneWayMs(target.place, from.place, this.#random);
    for (const waitMs of fate) {
      this.#deliver(oneWayMs + waitMs, operation, () => {
        if (!from.attached) return;
        countReceived(from, bytes);
        exchange.timer?.cancel();
        if (error !== undefined) return exchange.reject(error);
        const carried = this.#carried(exchange, 'output', output);
        if (carried instanceof RonError) exchange.reject(carried);
        else exchange.resolve(carried);
      });
    }
  }

  #timeOut({ from, operation, reject }: Exchange): void {
    if (!from.attached) return;
    this.totals.timedOut++;
    reject(new RonError('deadline_exceeded', `no answer to ${operation}`));
  }

  #carried({ contract, operation }: Exchange, part: 'input' | 'output', value: unknown): unknown {
    if (this.#wire === undefined) return value;
    try {
      return this.#wire.carry(contract, operation, part, value);
    } catch (error) {
      return asRefusal(error);
    }
  }

  #deliver(afterMs: number, operation: string, arrive: () => void): void {
    this.scheduler.after(afterMs, arrive, operation);
  }

  #dialMs(from: Endpoint, to: Endpoint, oneWayMs: number): number {
    if (this.#handshakeRoundTrips === 0) return 0;
    const { nowMs } = this.scheduler;
    const id = to.contact.id;
    const open = this.isLinked(from.contact.id, id);
    keepOpen(from, id, nowMs);
    return open ? 0 : 2 * oneWayMs * this.#handshakeRoundTrips;
  }

  #countSent(endpoint: Endpoint, value: unknown): number {
    const bytes = jsonBytesAbout(value);
    endpoint.sent++;
    endpoint.bytesSent += bytes;
    this.totals.messages++;
    this.totals.bytes += bytes;
    return bytes;
  }
}

function countReceived(endpoint: Endpoint, bytes: number): void {
  endpoint.received++;
  endpoint.bytesReceived += bytes;
}

function keepOpen({ connections }: Endpoint, id: NodeId, nowMs: number): void {
  connections.delete(id);
  connections.set(id, nowMs + idleMs);
  if (connections.size <= connectionsMax) return;
  for (const oldest of connections.keys()) {
    connections.delete(oldest);
    return;
  }
}

/** A crashed machine refuses nothing: it was not found. One that crashed while the message was on its way does here what one that left does. */
function refusalOf(target: Endpoint, to: Contact): RonError | undefined {
  if (!target.attached) return new RonError('unavailable', `no node listens at ${to.address}`);
  if (target.contact.id !== to.id) return new RonError('unavailable', `another node is at ${to.address}`);
  return undefined;
}

function asRefusal(error: unknown): RonError {
  return error instanceof RonError ? error : new RonError('internal', 'the node failed', { cause: error });
}
