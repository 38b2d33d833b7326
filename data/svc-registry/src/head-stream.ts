import type { Clock } from '@ron/kernel';
import type { SnapshotHead } from '@ron/proto/registry';
import type { Registry } from './registry.ts';

const encoder = new TextEncoder();
/** How soon to come back, and that the stream is open. */
const opening = encoder.encode('retry: 1000\n: open\n\n');
/** So that nothing on the way takes a quiet stream for a dead one. */
const keepAlive = encoder.encode(': \n\n');
const keepAliveMs = 15_000;

/**
 * The head, when it is newer than `seenVersion`, and each that follows. A slow reader skips versions, and sees that it
 * does: what it has missed it fetches by version.
 */
export async function* headStream(
  registry: Registry,
  clock: Clock,
  seenVersion: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  let seen = seenVersion;
  yield opening;
  while (!signal.aborted) {
    const { head } = registry;
    if (head !== undefined && head.version > seen) {
      seen = head.version;
      yield encodeEvent(head);
      continue;
    }
    if ((await nextHead(registry, clock, signal)) === 'quiet') yield keepAlive;
  }
}

function encodeEvent(head: SnapshotHead): Uint8Array {
  return encoder.encode(`id: ${head.version}\nevent: head\ndata: ${JSON.stringify(head)}\n\n`);
}

/** A new head, the time for a sign of life, or the end. Nothing runs between looking at the head and watching it. */
function nextHead(registry: Registry, clock: Clock, signal: AbortSignal): Promise<'woken' | 'quiet'> {
  return new Promise((resolve) => {
    const end = (how: 'woken' | 'quiet') => {
      timer.cancel();
      signal.removeEventListener('abort', wake);
      watching[Symbol.dispose]();
      resolve(how);
    };
    const wake = () => end('woken');
    const timer = clock.after(keepAliveMs, () => end('quiet'));
    const watching = registry.onHead(wake);
    signal.addEventListener('abort', wake, { once: true });
    if (signal.aborted) wake();
  });
}
