import { createBlobs, type Hasher } from './blobs.ts';
import { createBundles } from './bundles.ts';
import { Caller } from './caller.ts';
import { createCaps } from './caps.ts';
import type { RonClient } from './client.ts';
import { createFetchTransport } from './fetch-transport.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import { createMailbox, listMailboxes } from './mailbox-calls.ts';
import { createNames } from './names.ts';
import { createNodeCalls } from './node-calls.ts';
import { webPlatform } from './platform.ts';
import type { Platform, Transport } from './transport.ts';

export interface ConnectOptions {
  /** `http://host:port` of a node. */
  readonly url: string;
  /** Sent with every call; without it only what is public can be read. */
  readonly capability?: string;
  /** Default: `fetch` to `url`. */
  readonly transport?: Transport;
  readonly platform?: Platform;
  /** A faster BLAKE3 for addresses, where the platform has one. */
  readonly newHasher?: () => Hasher;
  /** Keeps the leases of one `process` loop; default: in that loop. */
  readonly newKeeper?: () => LeaseKeeper;
}

/** A client of one node. Nothing is sent before the first call. */
export function connect(options: ConnectOptions): RonClient {
  const transport = options.transport ?? createFetchTransport(options.url, () => options.capability);
  const caller = new Caller(transport, options.platform ?? webPlatform);
  const blobs = createBlobs(caller, options.newHasher);
  return {
    blobs,
    names: createNames(caller),
    bundles: createBundles(caller, blobs),
    caps: createCaps(caller, options.capability),
    node: createNodeCalls(caller),
    mailbox: (box) => createMailbox(caller, box, options.newKeeper),
    mailboxes: (call) => listMailboxes(caller, call),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
