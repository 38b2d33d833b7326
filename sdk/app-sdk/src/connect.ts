import type { VerifySignature } from '@ron/signed';
import type { AuditLog } from './audit.ts';
import { createBlobs, type Hasher } from './blobs.ts';
import { createBundles } from './bundles.ts';
import { Caller } from './caller.ts';
import { createCaps } from './caps.ts';
import type { RonClient } from './client.ts';
import { Credential, type CredentialOptions } from './credential.ts';
import { createFetchTransport } from './fetch-transport.ts';
import { lazyCalls } from './lazy.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import { createMailbox, listMailboxes } from './mailbox-calls.ts';
import { createNames } from './names.ts';
import { createNodeCalls } from './node-calls.ts';
import { webPlatform } from './platform.ts';
import type { Access, Platform, Transport } from './transport.ts';
import { viewOf } from './view.ts';

export interface ConnectOptions extends CredentialOptions {
  /** `http://host:port` of a node. */
  readonly url: string;
  /** Sent with every call; without it, and without `refreshToken`, only what is public can be read. */
  readonly capability?: string;
  /** Default: `fetch` to `url`. It brings its own capability. */
  readonly transport?: Transport;
  /** Makes the transport of a client whose capability changes or is proved. */
  readonly newTransport?: (access: Access) => Transport;
  /** Verifier keys of the node's audit log; default: what the node shows first. */
  readonly auditKeys?: string | readonly string[];
  /** Ed25519 and ML-DSA-65, for `registry.follow`; the client for Node has it. */
  readonly verifySignature?: VerifySignature;
  readonly platform?: Platform;
  /** A faster BLAKE3 for addresses, where the platform has one. */
  readonly newHasher?: () => Hasher;
  /** Keeps the leases of one `process` loop; default: in that loop. */
  readonly newKeeper?: () => LeaseKeeper;
}

/** A client of one node. Nothing is sent before the first call. */
export function connect(options: ConnectOptions): RonClient {
  const { platform = webPlatform, verifySignature } = options;
  // The exchange goes through the caller, which asks the credential around every other call.
  const credential: Credential = new Credential(options, platform, async (token, key) =>
    (await trust()).exchange(caller, token, key),
  );
  const transport = transportFor(options, credential);
  const caller = new Caller(transport, platform, credential);
  const pins = lazyCalls(async () => (await trust()).createPins(caller), ['list']);
  const blobs = createBlobs(caller, pins, options.newHasher);
  let log: AuditLog | undefined;
  const audit = async () => {
    const { AuditLog } = await trust();
    log ??= new AuditLog(caller, options.auditKeys);
    return log;
  };
  return {
    blobs,
    names: createNames(caller, audit),
    bundles: createBundles(caller, blobs),
    caps: createCaps(caller, () => credential.capability()),
    node: createNodeCalls(caller),
    pins,
    passport: lazyCalls(async () => (await trust()).createPassportCalls(caller), ['list']),
    audit: lazyCalls(audit, ['tail']),
    registry: lazyCalls(async () => (await trust()).createRegistryCalls(caller, verifySignature), ['follow']),
    async call(service, operation, input, call) {
      return (await caller.call(operation, input, { ...call, service })).output;
    },
    view: (items, call) => viewOf(caller, items, call),
    mailbox: (box) => createMailbox(caller, box, options.newKeeper),
    mailboxes: (call) => listMailboxes(caller, call),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

const trust = () => import('./trust.ts');

function transportFor(options: ConnectOptions, credential: Credential): Transport {
  if (options.transport === undefined) {
    return options.newTransport?.(credential) ?? createFetchTransport(options.url, credential);
  }
  if (options.refreshToken !== undefined || options.key !== undefined) {
    throw new TypeError('a transport that is there already cannot renew or prove a capability: give newTransport');
  }
  return options.transport;
}
