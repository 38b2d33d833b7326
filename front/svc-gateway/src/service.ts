import type { Peer } from '@ron/proto/contract';
import { edgeContract } from '@ron/proto/edge';
import { gatewayContract } from '@ron/proto/gateway';
import { mailboxContract } from '@ron/proto/mailbox';
import { indexContract } from '@ron/proto/names';
import type { overlayContract } from '@ron/proto/overlay';
import { storageContract } from '@ron/proto/storage';
import { defineService, type PolicyStage } from '@ron/service';
import { GatewayConfig } from './config.ts';
import { createCollect } from './handlers/collect.ts';
import { createEntry } from './handlers/entry.ts';
import { createGet } from './handlers/get.ts';
import { createHas } from './handlers/has.ts';
import { createHistory } from './handlers/history.ts';
import { createHydrate } from './handlers/hydrate.ts';
import { createListNames } from './handlers/list-names.ts';
import { passOn } from './handlers/mailbox.ts';
import { createMailboxSend } from './handlers/mailbox-send.ts';
import { createMailboxSubscribe } from './handlers/mailbox-subscribe.ts';
import { createOutboard } from './handlers/outboard.ts';
import { createPut } from './handlers/put.ts';
import { createPutAt } from './handlers/put-at.ts';
import { createRemoveName } from './handlers/remove-name.ts';
import { createResolve } from './handlers/resolve.ts';
import { createScrub } from './handlers/scrub.ts';
import { createSetName } from './handlers/set-name.ts';
import { createTraceName } from './handlers/trace-name.ts';
import { createUndelete } from './handlers/undelete.ts';
import { createUploadAbort } from './handlers/upload-abort.ts';
import { createUploadCreate } from './handlers/upload-create.ts';
import { createUploadOptions } from './handlers/upload-options.ts';
import { createUploadStatus } from './handlers/upload-status.ts';
import { createUploadWrite } from './handlers/upload-write.ts';
import { createUsage } from './handlers/usage.ts';
import { createView } from './handlers/view.ts';
import { createWhoami } from './handlers/whoami.ts';
import { createWhy } from './handlers/why.ts';
import { ManifestStore } from './manifest-store.ts';
import { ObjectReader } from './object-reader.ts';
import { ObjectWriter } from './object-writer.ts';
import { Quota } from './quota.ts';
import { QuotaSnapshots, type QuotaStore } from './quota-snapshots.ts';
import type { RatesOf } from './rates.ts';

export { GatewayConfig } from './config.ts';
export { type QuotaRow, type QuotaStore, quotaRowsMax } from './quota-snapshots.ts';
export type { Rates, RatesOf } from './rates.ts';

/** Chosen by the profile. */
export interface GatewayEngines {
  /** Rates of tenants that differ from what the configuration says for all. */
  readonly ratesOf?: RatesOf;
  /** Where quotas survive a restart. Absent: they do not. */
  readonly quotas?: QuotaStore | undefined;
  /** Asked for each item of a view, whose operation asks for no right as a whole. Absent: nothing is taken away. */
  readonly policy?: PolicyStage;
  /** Copies on other nodes. Absent: the node is alone. */
  readonly copies?: Pick<Peer<typeof overlayContract>, 'pin'>;
}

const uses = {
  edge: edgeContract,
  storage: storageContract,
  index: indexContract,
  mailbox: mailboxContract,
} as const;

/** The public API of a node: contract in @ron/proto/gateway, configuration table `gateway`. */
export const gateway = defineService<typeof gatewayContract, typeof GatewayConfig, typeof uses, GatewayEngines>({
  contract: gatewayContract,
  config: GatewayConfig,
  uses,
  async start({ config, peers: { edge, storage, index, mailbox }, engines, env, metrics, log }) {
    const { clock } = env;
    const quota = new Quota(config, clock, engines.ratesOf);
    const { quotas: store } = engines;
    const snapshots = store === undefined ? undefined : new QuotaSnapshots({ store, quota, config, clock, log });
    const reader = new ObjectReader({ edge, random: env.random, config, ledger: quota });
    const writer = new ObjectWriter({ storage, config, ledger: quota, copies: engines.copies });
    const manifests = new ManifestStore({ stat: edge.stat, get: edge.read }, config);
    const buckets = metrics.gauge('gateway_quota_buckets', 'Quota buckets remembered').labels();
    const cached = metrics.gauge('gateway_manifest_cache_bytes', 'Estimated bytes of parsed manifests').labels();
    const collecting = metrics.onCollect(() => {
      buckets.set(quota.remembered);
      cached.set(manifests.cachedBytes);
    });
    return {
      handlers: {
        put: createPut(writer),
        put_at: createPutAt(writer),
        get: createGet(reader, config),
        entry: createEntry(reader, manifests, config),
        outboard: createOutboard(reader, config),
        view: createView({ index, reader, manifests, config }),
        has: createHas(storage),
        upload_create: createUploadCreate(storage, config, quota),
        upload_status: createUploadStatus(storage),
        upload_write: createUploadWrite(storage, quota),
        upload_abort: createUploadAbort(storage),
        upload_options: createUploadOptions(config),
        hydrate: createHydrate({ index, storage, mailbox, clock: env.clock, policy: engines.policy }),
        resolve: createResolve(index),
        set_name: createSetName(index, storage),
        remove_name: createRemoveName(index),
        trace_name: createTraceName(index),
        history: createHistory(index),
        list_names: createListNames(index),
        mailbox_send: createMailboxSend(mailbox, storage),
        mailbox_recv: passOn(mailbox.recv),
        mailbox_ack: passOn(mailbox.ack),
        mailbox_nack: passOn(mailbox.nack),
        mailbox_extend: passOn(mailbox.extend),
        mailbox_remove: passOn(mailbox.remove),
        mailbox_subscribe: createMailboxSubscribe(mailbox, quota),
        mailbox_dead_letters: passOn(mailbox.dead_letters),
        mailbox_redrive: passOn(mailbox.redrive),
        mailbox_purge: passOn(mailbox.purge),
        mailbox_stats: passOn(mailbox.stats),
        mailbox_boxes: passOn(mailbox.boxes),
        whoami: createWhoami(),
        why: createWhy(storage),
        collect: createCollect(storage),
        undelete: createUndelete(storage),
        scrub: createScrub(storage),
        usage: createUsage(storage),
      },
      admit: (admission) => quota.admit(admission),
      async [Symbol.asyncDispose]() {
        // Calls in flight end with their own contexts.
        collecting[Symbol.dispose]();
        await snapshots?.[Symbol.asyncDispose]();
      },
    };
  },
});
