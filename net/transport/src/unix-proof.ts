import type { Clock, Duplex, DuplexEvents, Random, Work } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';
import { type NodeIdentity, nodeIdOfKey, signChannelProof, verifyChannelProof } from './identity/node-identity.ts';
import type { ProvenNode } from './identity/peer-certificate.ts';
import type { ChannelRole } from './identity/statements.ts';

/**
 * Who is at the other end of a Unix socket: both sides say 32 fresh bytes, and sign what both said. It hides nothing: only
 * the user that the socket belongs to can come between. docs/specs/transport.md.
 */
export interface UnixProofPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly work: Work;
  readonly identity: NodeIdentity;
  readonly timeoutMs: number;
}

export type UnixRefusal = 'timeout' | 'closed' | 'malformed' | 'proof' | 'wrong_node';

export interface ProvenUnix extends ProvenNode {
  readonly channelBinding: Uint8Array;
  readonly duplex: Duplex;
}

const magic = new TextEncoder().encode('ron-unix/1\n');
const nonceBytes = 32;
const helloBytes = magic.length + nonceBytes;
const proofBytes = 32 + 64;

export async function dialUnix(
  duplex: Duplex,
  ports: UnixProofPorts,
  nodeId: NodeId,
): Promise<ProvenUnix | UnixRefusal> {
  const reading = new ReadingDuplex(duplex, ports);
  const mine = hello(ports.random);
  duplex.write([mine]);
  const theirs = await reading.take(helloBytes + proofBytes);
  if (typeof theirs === 'string') return theirs;
  const channelBinding = bindingOf(mine, theirs.subarray(0, helloBytes), ports.work);
  const proven = judge(theirs, helloBytes, 'acceptor', channelBinding, ports);
  if (proven === undefined) return 'proof';
  if (proven.nodeId !== nodeId) return 'wrong_node';
  duplex.write([await proofOf(ports.identity, 'dialler', channelBinding)]);
  return { ...proven, channelBinding, duplex: reading.release() };
}

export async function acceptUnix(duplex: Duplex, ports: UnixProofPorts): Promise<ProvenUnix | UnixRefusal> {
  const reading = new ReadingDuplex(duplex, ports);
  const theirs = await reading.take(helloBytes);
  if (typeof theirs === 'string') return theirs;
  if (!startsWithMagic(theirs)) return 'malformed';
  const mine = hello(ports.random);
  const channelBinding = bindingOf(theirs, mine, ports.work);
  duplex.write([mine, await proofOf(ports.identity, 'acceptor', channelBinding)]);
  const proof = await reading.take(proofBytes);
  if (typeof proof === 'string') return proof;
  const proven = judge(proof, 0, 'dialler', channelBinding, ports);
  return proven === undefined ? 'proof' : { ...proven, channelBinding, duplex: reading.release() };
}

function hello(random: Random): Uint8Array {
  return Uint8Array.of(...magic, ...random.bytes(nonceBytes));
}

function bindingOf(dialler: Uint8Array, acceptor: Uint8Array, work: Work): Uint8Array {
  return new Uint8Array(work.blake3(Uint8Array.of(...dialler, ...acceptor)));
}

async function proofOf(identity: NodeIdentity, role: ChannelRole, channelBinding: Uint8Array): Promise<Uint8Array> {
  const { publicKey, signature } = await signChannelProof(identity, role, channelBinding);
  return Uint8Array.of(...publicKey, ...signature);
}

function judge(
  bytes: Uint8Array,
  at: number,
  role: ChannelRole,
  channelBinding: Uint8Array,
  { work }: UnixProofPorts,
): ProvenNode | undefined {
  const publicKey = bytes.slice(at, at + 32);
  const nodeId = nodeIdOfKey(publicKey, work);
  const proof = { nodeId, publicKey, role, signature: bytes.slice(at + 32, at + proofBytes) };
  return verifyChannelProof(proof, { role, channelBinding }, work) ? { nodeId, publicKey } : undefined;
}

function startsWithMagic(bytes: Uint8Array): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

interface Wanted {
  readonly bytes: number;
  settle(outcome: Uint8Array | UnixRefusal): void;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

/** Gives out the first bytes by number, then the rest as a connection that nobody has started. */
class ReadingDuplex {
  readonly #duplex: Duplex;
  #held: Uint8Array = new Uint8Array(0);
  #wanted: Wanted | undefined;
  #events: DuplexEvents | undefined;
  #ended: { readonly reason: Error | undefined } | undefined;
  #late = false;
  readonly #timer: { cancel(): void };

  constructor(duplex: Duplex, { clock, timeoutMs }: UnixProofPorts) {
    this.#duplex = duplex;
    this.#timer = clock.after(timeoutMs, () => {
      this.#late = true;
      this.#settle();
    });
    duplex.start({
      data: (bytes) => this.#data(bytes),
      drain: () => this.#events?.drain(),
      close: (reason) => this.#close(reason),
    });
  }

  take(bytes: number): Promise<Uint8Array | UnixRefusal> {
    return new Promise((settle) => {
      this.#wanted = { bytes, settle };
      this.#settle();
    });
  }

  release(): Duplex {
    this.#timer.cancel();
    const duplex = this.#duplex;
    return {
      remote: duplex.remote,
      write: (pieces) => duplex.write(pieces),
      start: (events) => this.#start(events),
      setReading: (on) => duplex.setReading(on),
      close: () => duplex.close(),
      destroy: () => duplex.destroy(),
    };
  }

  #start(events: DuplexEvents): void {
    if (this.#events !== undefined) throw new Error('a connection is started once');
    this.#events = events;
    const held = this.#held;
    this.#held = new Uint8Array(0);
    if (held.length > 0) events.data(held);
    const ended = this.#ended;
    if (ended !== undefined) queueMicrotask(() => events.close(ended.reason));
    else this.#duplex.setReading(true);
  }

  #data(bytes: Uint8Array): void {
    if (this.#events !== undefined) {
      this.#events.data(bytes);
      return;
    }
    this.#held = joined(this.#held, bytes);
    // What is behind the proof waits in the socket until somebody listens.
    if (this.#held.length >= (this.#wanted?.bytes ?? 0)) this.#duplex.setReading(false);
    this.#settle();
  }

  #close(reason: Error | undefined): void {
    this.#ended = { reason };
    if (this.#events !== undefined) this.#events.close(reason);
    else this.#settle();
  }

  #settle(): void {
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    if (this.#held.length >= wanted.bytes) {
      const taken = this.#held.slice(0, wanted.bytes);
      this.#held = this.#held.slice(wanted.bytes);
      this.#over(wanted, taken);
    } else if (this.#ended !== undefined) this.#over(wanted, 'closed');
    else if (this.#late) this.#over(wanted, 'timeout');
    else this.#duplex.setReading(true);
  }

  #over(wanted: Wanted, outcome: Uint8Array | UnixRefusal): void {
    this.#wanted = undefined;
    if (typeof outcome === 'string') this.#timer.cancel();
    wanted.settle(outcome);
  }
}
