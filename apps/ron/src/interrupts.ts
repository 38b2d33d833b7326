import { performance } from 'node:perf_hooks';

/** One key press reaches both this process and the launcher, which passes it on: a twin within this time is the same press. */
const twinMs = 250;

/** Why a command was asked to end. */
export type StopReason = 'interrupted' | 'output closed';

export interface Interrupts extends Disposable {
  /** Aborts with a `StopReason`. */
  readonly signal: AbortSignal;
  stop(reason: StopReason): void;
}

/** The first SIGINT or SIGTERM asks the command to clean up and end; a second one ends the process at once. */
export function listenForInterrupts(): Interrupts {
  const controller = new AbortController();
  let firstMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    const nowMs = performance.now();
    if (firstMs !== undefined && nowMs - firstMs > twinMs) {
      stopListening();
      process.kill(process.pid, signal);
    }
    firstMs ??= nowMs;
    controller.abort('interrupted' satisfies StopReason);
  };
  const stopListening = () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { signal: controller.signal, stop: (reason) => controller.abort(reason), [Symbol.dispose]: stopListening };
}
