import type { WholeBody } from './whole-body.ts';

/** Takes bodies over from memory. One that reads false is a broken one: it ends with an error, and never with other bytes. */
export interface BodyTier {
  readonly bytesMax: number;
  /**
   * Writes a body and resolves with it in its new place, or undefined when there is no room or the write failed. With
   * none left that has it, its place is free again.
   */
  take(pieces: readonly Uint8Array[]): Promise<WholeBody | undefined>;
}
