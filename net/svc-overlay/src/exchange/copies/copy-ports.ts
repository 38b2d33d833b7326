import type { Clock, Log, Random } from '@ron/kernel';
import type { Peer } from '@ron/proto/contract';
import type { Contact, NodeId } from '@ron/proto/network';
import type { overlayContract } from '@ron/proto/overlay';
import type { storageContract } from '@ron/proto/storage';
import type { ByteStream } from '@ron/proto/stream';
import type { Ask } from '@ron/transport';
import type { PeerState } from '../placement/choose.ts';
import type { RepairLimits } from '../placement/repair-limits.ts';
import type { CopyMeters } from './copy-meters.ts';

/** The storage of this node, as far as wishes for copies need it. What it keeps with an object is as durable as the object. */
export interface CopyShelf {
  readonly durability: 'memory' | 'fsync';
  /** Undefined when it is not here; `quarantined` when it is damaged. */
  stat(address: string): { readonly sizeBytes: number; readonly state: string } | undefined;
  /** Verified; rejects with `integrity` when what is stored is damaged. */
  read(address: string, start: number, length: number): ByteStream;
  /** Short texts that are kept with the object, which is kept as long as it has one. */
  pins(address: string): readonly string[];
  setPin(address: string, text: string, isSet: boolean): Promise<void>;
  entries(): IterableIterator<{ readonly address: string; readonly sizeBytes: number }>;
}

/** Chosen by the profile. */
export interface CopyEngines {
  readonly shelf: CopyShelf;
  /** Bytes that storage could still take, beside what its owner keeps free. */
  readonly freeBytes: () => number;
  /** For whom copies are kept here. */
  readonly mayPlace: (node: NodeId) => boolean;
  /** Who may be asked to keep copies for this one: nodes that are present and trusted. */
  readonly mayKeep: () => readonly Contact[];
  /** Brings an object here from others, verified, and resolves when it is durable. Without `sources`, from whoever has it. */
  readonly fetch: (
    wanted: { readonly address: string; readonly sizeBytes?: number; readonly sources: readonly Contact[] },
    signal: AbortSignal,
  ) => Promise<void>;
}

export interface CopyPorts extends Pick<CopyEngines, 'shelf' | 'mayKeep' | 'fetch'> {
  readonly self: Contact;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly meters: CopyMeters;
  readonly storage: Pick<Peer<typeof storageContract>, 'pin' | 'unpin'>;
  readonly ask: Ask<typeof overlayContract>;
  /** Where a member is reached; undefined when it is not known. */
  readonly contactOf: (node: NodeId) => Contact | undefined;
  readonly stateOf: (node: NodeId) => PeerState;
  /** Share of the transfers from that node that failed, 0 to 1. */
  readonly failuresOf: (node: NodeId) => number;
  readonly settings: () => CopySettings;
}

/** Of the wishes of this node. Times in milliseconds. */
export interface CopySettings {
  /** For which a copy is asked of another node; it is renewed long before. */
  readonly ttlMs: number;
  /** In which every copy is renewed and challenged once. */
  readonly checkMs: number;
  readonly repair: RepairLimits;
}
