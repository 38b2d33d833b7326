import type { Contact } from '@ron/proto/network';

/** Regions whose times are remembered; more names than this are one region. */
const regionsMax = 64;
/** Milliseconds expected of a region that nothing is known of: between far and near. */
const unknownMs = 150;
const gain = 1 / 8;

/** Round trips by the region that nodes say they are in, for those never asked before. A lie costs its teller's place. */
export class PeerTimes {
  readonly #byRegion = new Map<string, number>();

  observe({ region }: Contact, rttMs: number): void {
    const name = region ?? '';
    const before = this.#byRegion.get(name);
    if (before === undefined && this.#byRegion.size >= regionsMax) return;
    this.#byRegion.set(name, before === undefined ? rttMs : before + (rttMs - before) * gain);
  }

  expectedMs({ region }: Contact): number {
    return this.#byRegion.get(region ?? '') ?? unknownMs;
  }
}
