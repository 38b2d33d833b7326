import { join } from 'node:path';
import { servicePrincipal } from '@ron/auth';
import { createBus, createMetrics, type KernelEvent, type Log } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { indexContract } from '@ron/proto/names';
import { bindLocal, hostService } from '@ron/service';
import { createRamNames, index } from '@ron/svc-index/service';
import { open } from 'lmdb';
import type { Row } from '../row.ts';

const names = 10_000;
const reads = 300_000;
const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silent };

function nothing(): void {
  // A benchmark has no log.
}

/** The whole pipeline in process (validation, authorisation, metrics) against a bare LMDB get of the same record. */
export const resolveRow: Row = {
  id: 'resolve',
  job: 'index resolve, hot, in process, whole pipeline',
  anchor: 'bare LMDB get',
  bar: undefined,
  needs: [],
  async run({ rounds, folder }) {
    const env = createRealEnv();
    const config = { names_max: 1e6, history_versions_max: 100, hot_names_max: 100_000, negative_ttl_ms: 2_000 };
    await using service = await hostService(
      index,
      {
        env,
        bus: createBus<KernelEvent>(),
        metrics: createMetrics(),
        log: silent,
        authenticator: { authenticate: refuse },
      },
      {
        config: { current: () => config, onChange: () => ({ [Symbol.dispose]: nothing }) },
        peers: {},
        engines: { names: createRamNames(), signer: { owner: 'bench', sign: () => new Uint8Array(64) } },
      },
    );
    const peer = bindLocal(
      indexContract,
      () => service.dispatcher,
      servicePrincipal('bench', [{ methods: ['read', 'write'], prefix: '' }]),
      env,
    );
    const lmdb = open({ path: join(folder, 'lmdb'), encoding: 'json' });
    const address = `b3:${'0'.repeat(64)}`;
    for (let at = 0; at < names; at += 1) {
      const record = await peer.set({ name: `docs/n${at}`, address });
      await lmdb.put(`docs/n${at}`, record);
    }
    const ours: number[] = [];
    const anchor: number[] = [];
    let found = 0;
    for (let round = 0; round < rounds; round += 1) {
      let began = performance.now();
      for (let at = 0; at < reads; at += 1) if (lmdb.get(`docs/n${at % names}`) !== undefined) found += 1;
      anchor.push(reads / ((performance.now() - began) / 1_000));
      began = performance.now();
      for (let at = 0; at < reads; at += 1)
        if ((await peer.resolve({ name: `docs/n${at % names}` })).address === address) found += 1;
      ours.push(reads / ((performance.now() - began) / 1_000));
    }
    await lmdb.close();
    return {
      unit: 'resolves/s',
      ours,
      anchor,
      higherIsBetter: true,
      evidence: `${found} of ${2 * rounds * reads} found`,
    };
  },
};

function refuse(): never {
  throw new Error('the benchmark calls as a service');
}
