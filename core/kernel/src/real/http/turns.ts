/** Milliseconds of handlers in one turn of the event loop. What else is ready, a probe of health too, waits so long at most. */
const turnMs = 8;
/**
 * The same for a turn in which a connection came. The loop takes in a few connections a turn (`Doors`), so that with long
 * turns a crowd of newcomers would wait in the system until it drops some, and those try again after a second, then after
 * two more. Shorter ones cost goodput where many come and go: at twice the saturation 1 ms served a third less than 4 ms.
 */
const newcomerTurnMs = 4;
/** Most handlers of one turn; more would not fit into it. */
const turnTasksMax = 64;
/** With so few connections and streams, all of them in one turn take about as long as a turn may: nobody has to queue. */
const crowdMin = 64;

/** Of one turn of the loop; each costs a tenth of a millisecond at most. */
const probesMax = 16;

/** Called with the milliseconds that it waited in line. */
type Task = (waitedMs: number) => void;

interface Waiting {
  readonly run: Task;
  readonly sinceMs: number;
}

interface Line {
  readonly tasks: Waiting[];
  /** Those before it have run. */
  head: number;
}

/**
 * Who is handled when more requests are there than one turn of the event loop can take. The loop hands over everything
 * that arrived in one go, up to a thousand sockets: handled at once, they would keep all others waiting for as long as it
 * takes, and the length of a turn would grow with the number of clients. Parsed is all of it, since that is cheap; the
 * handlers take turns: one of each address that has some in line, and those of one address first come, first served. Who has
 * a hundred connections waits for their sake, and who has one does not.
 *
 * The queue is bounded by what connections may have under way at once.
 */
export class Turns {
  /** By address, the one whose turn is next first; none is empty. */
  readonly #lines = new Map<string, Line>();
  #waiting = 0;
  /** Requests that may come in one turn. */
  #clients = 0;
  /** Handlers that this turn of the loop will still call. */
  #booked = 0;
  #startMs = 0;
  #turnMs = turnMs;
  #hasNewcomer = false;
  #isMarked = false;
  #probes = 0;
  readonly #nowMs: () => number;

  constructor(nowMs = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  connected(): void {
    this.#clients += 1;
    this.#turnMs = newcomerTurnMs;
    this.#hasNewcomer = true;
    this.#mark(this.#nowMs());
  }

  disconnected(): void {
    this.#clients -= 1;
  }

  /** A connection speaks for `streams` more: with HTTP/2 each of them may be handled in the same turn. The result takes it back. */
  multiplexed(streams: number): () => void {
    this.#clients += streams;
    return () => {
      this.#clients -= streams;
    };
  }

  /** Tasks in line. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Ahead of all others, but for those who ask so often that it would keep the others waiting: they stand in line. */
  takeProbe(run: Task, address: string): void {
    this.#probes += 1;
    this.#mark(this.#nowMs());
    if (this.#probes <= probesMax) run(0);
    else this.take(run, address);
  }

  /** Runs it now or, when this turn is used up, in a later one. `run` does not throw. */
  take(run: Task, address = ''): void {
    if (this.#clients <= crowdMin && this.#waiting === 0) {
      run(0);
      return;
    }
    const nowMs = this.#nowMs();
    this.#mark(nowMs);
    if (this.#waiting === 0 && nowMs - this.#startMs < this.#turnMs) {
      run(0);
      return;
    }
    const line = this.#lines.get(address);
    if (line === undefined) this.#lines.set(address, { tasks: [{ run, sinceMs: nowMs }], head: 0 });
    else line.tasks.push({ run, sinceMs: nowMs });
    this.#waiting += 1;
    this.#book();
  }

  /** The first to come in a turn begins it; it is over when the loop has come around. */
  #mark(nowMs: number): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    this.#startMs = nowMs;
    setImmediate(() => {
      this.#isMarked = false;
      this.#probes = 0;
      this.#turnMs = this.#hasNewcomer ? newcomerTurnMs : turnMs;
      this.#hasNewcomer = false;
      // What was queued in the meantime has its own time, after the sockets had theirs.
      this.#startMs = this.#nowMs();
    });
  }

  /** One callback for each: between two of them Node lets what the first one awaited go on. */
  #book(): void {
    if (this.#booked >= Math.min(turnTasksMax, this.#waiting)) return;
    this.#booked += 1;
    setImmediate(() => this.#runNext());
  }

  #runNext(): void {
    this.#booked -= 1;
    if (this.#waiting > 0 && this.#nowMs() - this.#startMs < this.#turnMs) {
      const { run, sinceMs } = this.#next();
      run(this.#nowMs() - sinceMs);
    }
    // Callbacks that are booked from here on belong to the next turn of the loop.
    if (this.#booked === 0 && this.#waiting > 0) this.#nextTurn();
  }

  #nextTurn(): void {
    const more = Math.min(turnTasksMax, this.#waiting);
    this.#mark(this.#nowMs());
    for (let at = 0; at < more; at += 1) this.#book();
  }

  /** Taken out of the line whose turn it is, which goes to the end. */
  #next(): Waiting {
    const [address, line] = this.#lines.entries().next().value!;
    const task = line.tasks[line.head]!;
    line.head += 1;
    this.#waiting -= 1;
    this.#lines.delete(address);
    if (line.head === line.tasks.length) return task;
    this.#lines.set(address, line);
    // In steps, so that taking one is not moving all.
    if (line.head === 1_024) {
      line.tasks.splice(0, line.head);
      line.head = 0;
    }
    return task;
  }
}

/** There is one event loop, so there is one queue for it, whatever listens. */
export const loopTurns = new Turns();
