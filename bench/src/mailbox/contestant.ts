/** One client of a queue: a sequential loop of send, receive, acknowledge. Nothing else is in flight for it. */
export interface CycleClient {
  /** Resolves when the acknowledgement was answered; rejects when a step was refused or brought nothing. */
  cycle(): Promise<void>;
  close(): Promise<void> | void;
}

/** What one timed run of some clients came to. */
export interface Sample {
  readonly cycles: number;
  readonly seconds: number;
  /** Milliseconds of a whole cycle. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** All that ran, what was not timed included: what syncs were made for. */
  readonly ran: { readonly cycles: number; readonly seconds: number };
}

/** A queue under test: a peer or one of ours, started and empty. */
export interface Contestant extends AsyncDisposable {
  readonly name: string;
  run(clients: number, seconds: number): Promise<Sample>;
  /** The processes whose syncs count. */
  pids(): Promise<readonly number[]>;
  /** Messages that are still in the queue; 0 when every cycle was completed. */
  left(): Promise<number>;
}

/** Bytes of every body. */
export const bodyBytes = 128;

let bodies = 0;

/** A body that no other has: what repeats could be kept once. */
export function nextBody(): string {
  bodies += 1;
  return `${bodies}-`.padEnd(bodyBytes, 'abcdefghijklmnopqrstuvwxyz');
}

/** Runs `clients` loops until the time is over; each ends with its cycle. The steps of opening are not timed. */
export async function drive(
  open: (client: number, clients: number) => Promise<CycleClient>,
  clients: number,
  seconds: number,
): Promise<Sample> {
  const opened = await Promise.all(Array.from({ length: clients }, (_, client) => open(client, clients)));
  const latencies: number[] = [];
  const began = performance.now();
  const end = began + seconds * 1_000;
  const loop = async (client: CycleClient) => {
    for (let from = performance.now(); from < end; ) {
      await client.cycle();
      const to = performance.now();
      latencies.push(to - from);
      from = to;
    }
  };
  await Promise.all(opened.map(loop));
  const elapsed = (performance.now() - began) / 1_000;
  await Promise.all(opened.map((client) => client.close()));
  return sampleOf(latencies, elapsed);
}

export function sampleOf(latenciesMs: readonly number[], seconds: number, ran?: Sample['ran']): Sample {
  const sorted = Float64Array.from(latenciesMs).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return {
    cycles: sorted.length,
    seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    ran: ran ?? { cycles: sorted.length, seconds },
  };
}
