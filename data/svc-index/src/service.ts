import { indexContract } from '@ron/proto/names';
import { defineService, type Ports } from '@ron/service';
import { IndexConfig } from './config.ts';
import type { NamesElsewhere } from './elsewhere.ts';
import type { NameEngine } from './engine.ts';
import { createHistory } from './handlers/history.ts';
import { createList } from './handlers/list.ts';
import { createMatch } from './handlers/match.ts';
import { createRemove } from './handlers/remove.ts';
import { createResolve } from './handlers/resolve.ts';
import { createRoots } from './handlers/roots.ts';
import { createSet } from './handlers/set.ts';
import { createTrace } from './handlers/trace.ts';
import { Lookup } from './lookup.ts';
import type { RecordSigner } from './record.ts';
import { Writer } from './writer.ts';

export { IndexConfig } from './config.ts';
export type { FarAnswer, FarName, FarQuestion, NamesElsewhere } from './elsewhere.ts';
export type { Change, Head, NameEngine, NamesChanged, Outcome, VersionPosition } from './engine.ts';
export { IndexFileError, type LmdbFiles } from './lmdb/data-file.ts';
export { type LmdbNamesOptions, openLmdbNames } from './lmdb/lmdb-names.ts';
export { createPostgresNames } from './postgres/postgres-names.ts';
export { createRamNames } from './ram/ram-names.ts';
export { type NameRecord, type RecordSigner, type Resolution, signedBytes } from './record.ts';

/** Chosen by the profile. The engine belongs to the service from then on: it is closed when the service stops. */
export interface IndexEngines {
  readonly names: NameEngine;
  readonly signer: RecordSigner;
  /** Asked about names that are not here. Absent: nobody is. */
  readonly elsewhere?: NamesElsewhere;
}

type IndexPorts = Ports<IndexConfig, Record<never, never>, IndexEngines>;

export const index = defineService({
  contract: indexContract,
  config: IndexConfig,
  uses: {},
  async start({ config, engines, env }: IndexPorts) {
    const { names, signer, elsewhere } = engines;
    const current = () => config.current();
    const lookup = new Lookup(names, env.clock, current);
    const writer = new Writer(names, lookup, signer, env.clock, current);
    return {
      handlers: {
        resolve: createResolve(lookup, elsewhere),
        match: createMatch(lookup, elsewhere),
        set: createSet(writer),
        remove: createRemove(writer),
        history: createHistory(names),
        trace: createTrace(lookup, elsewhere),
        list: createList(names, env.clock),
        roots: createRoots(names),
      },
      gates: () => [
        names.failure === undefined
          ? { gate: 'index-writable', ok: true }
          : { gate: 'index-writable', ok: false, reason: names.failure },
      ],
      [Symbol.asyncDispose]: () => {
        lookup[Symbol.dispose]();
        return names[Symbol.asyncDispose]();
      },
    };
  },
});
