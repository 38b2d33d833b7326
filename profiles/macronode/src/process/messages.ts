import type { ConfigSources } from '@ron/kernel';
import type { Gate } from '@ron/service';
import type { Role } from '../topology.ts';

/** What a process is told when it is to begin. */
export interface StartOrder {
  readonly kind: 'start';
  readonly name: string;
  readonly role: Role;
  readonly sources: ConfigSources;
  /** Absolute. */
  readonly dataFolder: string;
  readonly runFolder: string;
  /** 32 bytes, base64: capabilities for this process begin with it. */
  readonly key: string;
  /** For each role that it asks, its capability there. */
  readonly capabilities: Readonly<Partial<Record<Role, string>>>;
  /** Names of the gateways; for omnigate. */
  readonly gateways: readonly string[];
  /** Nobody was in its place before, so that a person reads what it tells. */
  readonly isFirst: boolean;
  /** Where clients find it, when one was there before it: a free port that the system chose stays. */
  readonly addresses?: Pick<Facts, 'http' | 'oap'>;
}

/** To a process. `pause` and `resume` are answered with `done`. */
export type ToProcess =
  | StartOrder
  | { readonly kind: 'config'; readonly text: string }
  | { readonly kind: 'pause' | 'resume'; readonly id: number; readonly target: string }
  | { readonly kind: 'cluster'; readonly gates: readonly Gate[] }
  | { readonly kind: 'stop' };

/** What a person needs to begin; from the process that knows it. */
export interface Facts {
  /** The owner's. */
  readonly capability?: string;
  readonly bootstrapSecret?: string;
  readonly url?: string;
  /** As bound: host:port, or unix:<path>. */
  readonly http?: string;
  readonly oap?: string;
}

/** From a process. */
export type FromProcess =
  /** Its code is there; it waits for its order. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'started'; readonly facts: Facts }
  | { readonly kind: 'failed'; readonly text: string; readonly exitCode: number }
  | { readonly kind: 'gates'; readonly gates: readonly Gate[] }
  | { readonly kind: 'done'; readonly id: number };
