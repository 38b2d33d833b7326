import { groupPastEnd } from '@ron/proto/exchange';
import type { ExchangePeers } from './fetch-ports.ts';
import { type FirstOfOptions, firstOf } from './first-of.ts';
import { type ProvenEnd, readEnd } from './slice-stream.ts';

export interface ProveEndOptions extends FirstOfOptions {
  readonly root: Uint8Array;
  readonly peers: ExchangePeers;
}

/** The size of an object, proven by its last group: nothing that a node claims about it is used before. */
export function proveEnd(options: ProveEndOptions): Promise<ProvenEnd> {
  const { pool, peers, address, root } = options;
  const ranges = [{ first: groupPastEnd, count: 1 }];
  return firstOf(options, async (node, own) => {
    const body = await pool.answerOf((asking) => peers.want(node, address, ranges, asking), own);
    return await readEnd(body, root, own.signal);
  });
}
