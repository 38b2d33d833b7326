import { parseAddress } from '@ron/naming';
import type { Caller } from './caller.ts';
import type { CallOptions } from './client.ts';
import { overlayService as service } from './overlay-service.ts';

/** A node that has a copy, as far as the asked one knows. */
export interface CopyHolder {
  /** Its id, 64 hex digits. */
  readonly node: string;
  readonly region?: string;
  readonly state: 'alive' | 'suspect' | 'dead';
}

export interface PinnedObject {
  readonly address: string;
  /** Bytes. */
  readonly size: number;
  /** Wanted. There are as many as `holders` that are not dead. */
  readonly copies: number;
  readonly holders: readonly CopyHolder[];
}

export interface RepairReport {
  readonly dry_run: boolean;
  /** Objects that the node keeps in copies. */
  readonly objects: number;
  /** Of those, how many had fewer copies than wanted, and how many of these have all now. */
  readonly lacking: number;
  readonly restored: number;
  readonly copied_bytes: number;
  /** Up to 100 of those that still lack copies. */
  readonly sample: readonly PinnedObject[];
}

/** Copies on other nodes. A node that is alone answers `not_found`: it has no such routes. */
export interface Pins {
  /**
   * Keeps an object on so many nodes, 1 to 16, the asked one included, from now on. Resolves when they are there, each proved. With
   * too few of them `unavailable`, with `details.copies`: the wish stays, and the node goes on by itself.
   */
  pin(address: string, copies: number, options?: CallOptions): Promise<PinnedObject>;
  /** False: it was not pinned. */
  unpin(address: string, options?: CallOptions): Promise<boolean>;
  /** By address. */
  list(options?: CallOptions): AsyncIterable<PinnedObject>;
  /** Makes what is missing now; `dryRun` only says what that is. */
  repair(options?: CallOptions & { readonly dryRun?: boolean }): Promise<RepairReport>;
}

/** For a call that waits until copies are made, however large they are. */
const copyingMs = 3_600_000;

export function createPins(caller: Caller): Pins {
  const call = async (operation: string, input: Readonly<Record<string, unknown>>, options: CallOptions) =>
    (await caller.call(operation, input, { ...options, service, mutation: operation !== 'pins' })).output;
  return {
    pin: async (address, copies, options) => {
      const input = { address: parseAddress(address), copies };
      const output = await call('pin', input, { timeoutMs: copyingMs, ...options });
      return {
        address: output['address'] as string,
        size: output['size'] as number,
        copies: output['copies'] as number,
        holders: output['holders'] as readonly CopyHolder[],
      };
    },
    unpin: async (address, options = {}) => {
      const { unpinned } = await call('unpin', { address: parseAddress(address) }, options);
      return unpinned === true;
    },
    async *list(options = {}) {
      let cursor: unknown;
      do {
        const page = await call('pins', cursor === undefined ? {} : { cursor }, options);
        yield* page['pins'] as readonly PinnedObject[];
        cursor = page['next'];
      } while (cursor !== undefined);
    },
    repair: async ({ dryRun, ...options } = {}) => {
      const input = dryRun === undefined ? {} : { dry_run: dryRun };
      const output = await call('repair', input, { timeoutMs: copyingMs, ...options });
      return {
        dry_run: output['dry_run'] as boolean,
        objects: output['objects'] as number,
        lacking: output['lacking'] as number,
        restored: output['restored'] as number,
        copied_bytes: output['copied_bytes'] as number,
        sample: output['sample'] as readonly PinnedObject[],
      };
    },
  };
}
