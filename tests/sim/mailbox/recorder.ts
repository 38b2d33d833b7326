import type { SimWorld } from '@ron/kernel/sim';
import type { Moment } from '../../contract/engines/mailbox-history.ts';
import type { LeasedMessage } from '../../contract/engines/mailbox-model.ts';
import { Violation } from '../violation.ts';
import type { Machine } from './machine.ts';
import type { Sightings } from './sightings.ts';

export const boxes = ['inbox', 'jobs'] as const;

/** What all clients and the nemesis of one seed share: the machine, and the history that is checked at the end. */
export class Recorder {
  readonly world: SimWorld;
  readonly machine: Machine;
  readonly sightings: Sightings;
  readonly history: Moment[] = [];
  /** When the last change that was answered had been asked for: the log knows of a moment that is not earlier. */
  lastChangeMs = 0;
  /** The disk is full. */
  full = false;
  /** Reads fail: the engine may have taken back what it could not read, and said nothing of it. */
  unreadable = false;
  /** No more work: what is there is left for the end. */
  over = false;
  readonly trace: ((line: string) => void) | undefined;
  readonly #bodies = new Map<string, string>();
  #ids = 0;

  constructor(world: SimWorld, machine: Machine, sightings: Sightings, trace: ((line: string) => void) | undefined) {
    this.world = world;
    this.machine = machine;
    this.sightings = sightings;
    this.trace = trace && ((line) => trace(`${world.scheduler.nowMs.toFixed(3)} ${line}`));
  }

  get nowMs(): number {
    return this.world.scheduler.nowMs;
  }

  nextId(): number {
    this.#ids += 1;
    return this.#ids;
  }

  add(moment: Moment): void {
    this.history.push(moment);
    this.trace?.(JSON.stringify(moment));
  }

  /** A change of this moment is on the disk. */
  changed(invokedMs: number): void {
    this.lastChangeMs = Math.max(this.lastChangeMs, invokedMs);
  }

  /** Somebody was told that the message is safe. */
  isAcknowledged(id: string): boolean {
    return this.history.some((one) => one.op === 'send' && one.answer?.id === id);
  }

  sent(id: string, text: string): void {
    this.#bodies.set(id, text);
  }

  /** Never a wrong byte. */
  checkContent({ id, content }: Pick<LeasedMessage, 'id' | 'content'>): void {
    const { body } = content;
    const text = this.#bodies.get(id);
    if (body.kind !== 'text' || body.text !== text) throw new Violation(`${id} came with another body`);
  }
}
