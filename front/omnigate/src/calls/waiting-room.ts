import type { Operation } from '@ron/proto/contract';

/** The call waits for something to happen: it is counted apart, and takes no turn from those that work. */
export function waitsIdle({ waits }: Operation, input: unknown): boolean {
  if (typeof waits !== 'string') return waits === true;
  return Number((input as Readonly<Record<string, unknown>> | null)?.[waits] ?? 0) > 0;
}

/** A lane may hold this many times what is free, as in the line: one alone gets 4/5 of the room. */
const shareOfRoom = 4;

/** How many calls of each lane wait idle. Lanes without any are forgotten, so it is bounded by its own room. */
export class WaitingRoom {
  readonly #byLane = new Map<string, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Undefined when there is no place for one more of this lane; else what gives it back, once. */
  enter(lane: string, max: number): (() => void) | undefined {
    const own = this.#byLane.get(lane) ?? 0;
    if (own >= shareOfRoom * (max - this.#size)) return undefined;
    this.#byLane.set(lane, own + 1);
    this.#size += 1;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#size -= 1;
      const left = (this.#byLane.get(lane) ?? 1) - 1;
      if (left === 0) this.#byLane.delete(lane);
      else this.#byLane.set(lane, left);
    };
  }
}
