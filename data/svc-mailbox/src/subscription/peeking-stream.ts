import type { CallContext } from '@ron/proto/contract';
import type { MailboxEngine, Position } from '../engine/engine.ts';
import type { Receiving } from '../handlers/recv.ts';
import { encodePosition } from '../requests/cursor.ts';
import { wirePeeked } from '../requests/wire-message.ts';
import type { BoxKey } from '../state/command.ts';
import { waitFor } from '../waiting.ts';
import { encodeEvent, keepAlive, openingEvent, Quiet, streamBytesMax } from './event-stream.ts';

const messagesAtOnce = 20;

/** Shows what is sent after a position, and leases nothing. What was settled before it is looked at is not seen. */
export async function* peekingStream(
  { mailboxes, clock }: Receiving,
  key: BoxKey,
  start: Position,
  { signal }: CallContext,
): AsyncGenerator<Uint8Array, void> {
  let after = start;
  const quiet = new Quiet(clock);
  yield openingEvent;
  while (!signal.aborted && mailboxes.failure === undefined) {
    // Watched before looking, so that nothing falls in between.
    using sent = new NextSend(mailboxes, key);
    const { items, next = after } = await mailboxes.peek(key, after, messagesAtOnce, streamBytesMax);
    for (const message of items) {
      quiet.over();
      yield encodeEvent(encodePosition(message), wirePeeked(message));
    }
    const isEnd = next.order === after.order;
    after = next;
    if (!isEnd || sent.happened) continue;
    if (quiet.leftMs > 0) {
      await waitFor(clock, quiet.leftMs, signal, (wake) => sent.on(wake));
      continue;
    }
    quiet.over();
    yield keepAlive;
  }
}

/** The next send to a box, whether it comes before somebody waits for it or after. */
class NextSend implements Disposable {
  happened = false;
  readonly #watch: Disposable;
  #wake: (() => void) | undefined;

  constructor(mailboxes: MailboxEngine, key: BoxKey) {
    const happens = () => {
      this.happened = true;
      this.#wake?.();
    };
    this.#watch = mailboxes.watch(key, happens, { peek: true });
  }

  on(wake: () => void): Disposable {
    this.#wake = wake;
    return this;
  }

  [Symbol.dispose](): void {
    this.#wake = undefined;
    this.#watch[Symbol.dispose]();
  }
}
