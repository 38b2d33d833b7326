import type { ConnectionLimits } from './limits.ts';

/** Length of the window over which a half-received frame must move, milliseconds. */
const windowMs = 10_000;

/** Judges a connection by what arrived between two ticks. Knows time only as the numbers that it is given. */
export class ProgressGuard {
  private readonly limits: ConnectionLimits;
  private receivedBytes = 0;
  private firstTickMs: number | undefined;
  private lastReceivedMs = 0;
  private windowStartMs = 0;
  private windowBytes = 0;
  private windowFrames = 0;

  constructor(limits: ConnectionLimits) {
    this.limits = limits;
  }

  received(bytes: number): void {
    this.receivedBytes += bytes;
  }

  /** What is wrong at `nowMs`, if anything. */
  judge(
    nowMs: number,
    connection: {
      readonly ready: boolean;
      readonly insideFrame: boolean;
      /** Frames begun so far. */
      readonly frames: number;
      readonly liveStreams: number;
    },
  ): 'handshake_timeout' | 'slow_frame' | 'idle' | undefined {
    if (this.firstTickMs === undefined) {
      this.firstTickMs = nowMs;
      this.lastReceivedMs = nowMs;
      this.windowStartMs = nowMs;
    }
    const arrived = this.receivedBytes;
    this.receivedBytes = 0;
    if (arrived > 0) this.lastReceivedMs = nowMs;
    if (!connection.ready) {
      return nowMs - this.firstTickMs >= this.limits.handshakeTimeoutMs ? 'handshake_timeout' : undefined;
    }
    if (!connection.insideFrame || connection.frames !== this.windowFrames) {
      this.restartWindow(nowMs, connection.frames);
      const idle = connection.liveStreams === 0 && nowMs - this.lastReceivedMs >= this.limits.oapIdleMs;
      return idle ? 'idle' : undefined;
    }
    this.windowBytes += arrived;
    if (nowMs - this.windowStartMs < windowMs) return undefined;
    const needed = (this.limits.progressBytesPerSecondMin * windowMs) / 1_000;
    if (this.windowBytes < needed) return 'slow_frame';
    this.restartWindow(nowMs, connection.frames);
    return undefined;
  }

  private restartWindow(nowMs: number, frames: number): void {
    this.windowStartMs = nowMs;
    this.windowBytes = 0;
    this.windowFrames = frames;
  }
}
