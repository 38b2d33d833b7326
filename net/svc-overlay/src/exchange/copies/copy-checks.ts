import { sleep } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import type { CheckOutcome } from './copy-meters.ts';
import type { CopyPorts } from './copy-ports.ts';
import type { Pins } from './pins.ts';
import { askForCopy, challengeCopy } from './place-copy.ts';

const stepMs = 1_000;
/** Objects that are looked at together. */
const objectsAtOnce = 16;

/**
 * Goes round all objects that this node keeps in copies: each holder that is there is asked to keep its copy for longer and is
 * challenged for a group by chance. Who has lost it, or cannot prove it, counts no longer, and the repair takes it from there.
 */
export class CopyChecks {
  readonly #ports: CopyPorts;
  readonly #pins: Pins;

  constructor(ports: CopyPorts, pins: Pins) {
    this.#ports = ports;
    this.#pins = pins;
  }

  /** Goes on until the signal. Rejects with its reason. */
  async run(signal: AbortSignal): Promise<never> {
    const { clock } = this.#ports;
    let round: Iterator<string> | undefined;
    let due = 0;
    for (;;) {
      await sleep(clock, stepMs, signal);
      const { objects } = this.#pins.status;
      due = Math.min(objectsAtOnce, due + (objects * stepMs) / this.#ports.settings().checkMs);
      const addresses: string[] = [];
      for (; due >= 1; due--) {
        round ??= this.#pins.repair.addresses();
        const step = round.next();
        if (step.done === true) round = undefined;
        else addresses.push(step.value);
      }
      await Promise.all(addresses.map((address) => this.check(address)));
    }
  }

  /** Looks at all copies of one object. Never rejects. */
  async check(address: string): Promise<void> {
    const { self, shelf, stateOf } = this.#ports;
    if (shelf.stat(address)?.state === 'live') this.#pins.repair.onHeld(address, self.id);
    else await this.#pins.lost(address, self.id);
    for (const node of this.#pins.repair.holdersOf(address)) {
      if (node !== self.id && stateOf(node) !== 'dead') {
        const outcome = await this.#checkOf(address, node);
        this.#ports.meters.checked(outcome);
        if (outcome === 'lost' || outcome === 'unproven') await this.#pins.lost(address, node);
      }
    }
  }

  async #checkOf(address: string, node: NodeId): Promise<CheckOutcome> {
    const to = this.#ports.contactOf(node);
    const wanted = this.#pins.repair.wantedOf(address);
    if (to === undefined || wanted === undefined) return 'unreachable';
    const copy = { address, sizeBytes: wanted.sizeBytes, to };
    try {
      const answer = await askForCopy(this.#ports, { ...copy, sources: this.#sourcesOf(address, node) });
      if (answer.state !== 'held') return 'lost';
      await challengeCopy(this.#ports, copy);
      return 'held';
    } catch (err) {
      if (!(err instanceof RonError)) throw err;
      if (err.code === 'not_found') return 'lost';
      if (err.code !== 'integrity') return 'unreachable';
      this.#ports.log.warn({ err, address, node }, 'a node does not have the copy that it keeps, as it says');
      return 'unproven';
    }
  }

  /** This node first: it has the object, or is getting it back. */
  #sourcesOf(address: string, without: NodeId): readonly Contact[] {
    const { self, contactOf } = this.#ports;
    const others = this.#pins.repair.holdersOf(address).filter((node) => node !== self.id && node !== without);
    return [self, ...others.flatMap((node) => contactOf(node) ?? [])];
  }
}
