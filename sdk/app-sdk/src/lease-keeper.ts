import { RonClientError } from './errors.ts';
import type { LeaseResult } from './mailbox.ts';
import type { Platform } from './transport.ts';

/** A lease to be kept for as long as somebody works on its message. */
export interface KeptLease {
  readonly box: string;
  readonly lease: string;
  readonly visibilityMs: number;
}

/** Extends leases while handlers run, each third of their visibility. */
export interface LeaseKeeper extends AsyncDisposable {
  /** Resolves when leases can be kept; rejects when this keeper cannot start. */
  ready(): Promise<void>;
  /**
   * `onLost` is called at most once, when the node says that the lease is over, and never after the release. Throws when
   * this keeper has failed: no further message must be begun.
   */
  keep(lease: KeptLease, onLost: (reason: unknown) => void): () => void;
}

export type ExtendCall = (
  box: string,
  leases: readonly string[],
  visibilityMs: number,
  timeoutMs: number,
) => Promise<readonly LeaseResult[]>;

/** Leases in one call; the contract's limit. */
const leasesMax = 100;

/** The leases of one box and one visibility, at most as many as handlers run. */
interface Round {
  readonly key: string;
  readonly box: string;
  readonly visibilityMs: number;
  readonly held: Map<string, (reason: unknown) => void>;
  timer: { cancel(): void } | undefined;
}

/** In the caller's own event loop: a handler that blocks it for longer than the visibility loses its lease. */
export function createLoopKeeper(extend: ExtendCall, platform: Pick<Platform, 'after'>): LeaseKeeper {
  const rounds = new Map<string, Round>();

  const start = (round: Round): void => {
    round.timer = platform.after(Math.floor(round.visibilityMs / 3), () => {
      // The next round starts on time even when this one hangs: three of them fit into one visibility.
      if (round.held.size > 0) start(round);
      else rounds.delete(round.key);
      const leases = [...round.held.keys()];
      for (let at = 0; at < leases.length; at += leasesMax) void prolong(round, leases.slice(at, at + leasesMax));
    });
  };

  const lose = (round: Round, lease: string, reason: unknown): void => {
    const onLost = round.held.get(lease);
    round.held.delete(lease);
    onLost?.(reason);
  };

  const prolong = async (round: Round, leases: readonly string[]): Promise<void> => {
    try {
      for (const { lease, ok } of await extend(round.box, leases, round.visibilityMs, round.visibilityMs)) {
        if (!ok) lose(round, lease, new Error('the lease had ended'));
      }
    } catch (thrown) {
      // No answer says nothing about the lease: the next round asks again.
      if (thrown instanceof RonClientError && thrown.retryable) return;
      for (const lease of leases) lose(round, lease, thrown);
    }
  };

  return {
    ready: async () => undefined,
    keep({ box, lease, visibilityMs }, onLost) {
      const key = `${visibilityMs} ${box}`;
      let round = rounds.get(key);
      if (round === undefined) {
        round = { key, box, visibilityMs, held: new Map(), timer: undefined };
        rounds.set(key, round);
        start(round);
      }
      const { held } = round;
      held.set(lease, onLost);
      return () => {
        if (held.get(lease) === onLost) held.delete(lease);
      };
    },
    async [Symbol.asyncDispose]() {
      for (const round of rounds.values()) {
        round.held.clear();
        round.timer?.cancel();
      }
      rounds.clear();
    },
  };
}
