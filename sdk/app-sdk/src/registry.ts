import type { Snapshot, SnapshotHead } from '@ron/proto/registry';
import type { TrustedStart, VerifySignature } from '@ron/signed';
import type { Caller } from './caller.ts';
import type { CallOptions } from './client.ts';
import { clientError, type RonClientError } from './errors.ts';
import { registryService as service } from './services.ts';
import { collect } from './streams.ts';

/** A document byte for byte as the node keeps it. */
export interface RegistryDocument {
  readonly id: string;
  readonly version: number;
  readonly text: string;
}

/** A snapshot that follows from what was trusted at first, one signed step after the other. */
export interface FollowedSnapshot {
  readonly id: string;
  readonly version: number;
  readonly snapshot: Snapshot;
  /** For `state` after a restart: what was seen cannot be rolled back then. Keep it where nobody else writes. */
  readonly state: string;
}

export interface FollowOptions {
  readonly signal?: AbortSignal;
  /** The id of the first snapshot to take, or who must have signed it. Not asked when `state` holds one. */
  readonly trusted: TrustedStart;
  /** Version of the first snapshot to take. Default: 1 with an id, else the newest. */
  readonly from?: number;
  readonly state?: string;
  /** Default: the client's own `verifySignature`, which the one for Node has. */
  readonly verify?: VerifySignature;
  /** The stream broke and is opened again. */
  onBreak?(error: RonClientError | undefined): void;
}

export interface RegistryCalls {
  /** Version, id and expiry as the node says them; nothing is proved by it. */
  head(options?: CallOptions): Promise<SnapshotHead>;
  /** A signed snapshot, unchecked. */
  snapshot(version: number, options?: CallOptions): Promise<RegistryDocument>;
  /** What a proposal asks to sign. */
  proposal(id: string, options?: CallOptions): Promise<RegistryDocument>;
  /**
   * The newest snapshot and each one after it, until the signal aborts. Every step is checked: a rollback, a fork, an
   * expired, unsigned or under-signed snapshot ends it with the reason in `details.reason`.
   */
  follow(options: FollowOptions): AsyncIterable<FollowedSnapshot>;
}

export function createRegistryCalls(caller: Caller, verifySignature: VerifySignature | undefined): RegistryCalls {
  const document = async (operation: string, input: Record<string, unknown>, options: CallOptions = {}) => {
    const { output, body } = await caller.call(operation, input, { ...options, service });
    const text = new TextDecoder().decode(await collect(body!));
    return { id: String(output['id']), version: Number(output['version']), text };
  };
  const registry: RegistryCalls = {
    async head(options) {
      return (await caller.call('head', {}, { ...options, service })).output as SnapshotHead;
    },
    snapshot: (version, options) => document('snapshot', { version }, options),
    proposal: (proposal, options) => document('proposal_document', { proposal }, options),
    async *follow(options) {
      const verify = options.verify ?? verifySignature;
      if (verify === undefined) {
        throw clientError('bad_request', 'this client cannot check signatures: give `verify`', { corrId: '' });
      }
      const { followRegistry } = await import('./registry-follow.ts');
      yield* followRegistry(caller, registry, { ...options, verify });
    },
  };
  return registry;
}
