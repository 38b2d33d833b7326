/** Resolves after one turn of the host's event loop: every promise reaction and `nextTick` that was due has run by then. */
export function hostTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
