/**
 * Resolves at the first SIGINT or SIGTERM with its name. The second ends the process at once, as if nobody had listened:
 * for a stop that hangs. Call it once, in a main.
 */
export function waitForShutdown(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (!asked) {
        asked = true;
        resolve(signal as 'SIGINT' | 'SIGTERM');
        return;
      }
      process.removeListener('SIGINT', onSignal);
      process.removeListener('SIGTERM', onSignal);
      process.kill(process.pid, signal);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
