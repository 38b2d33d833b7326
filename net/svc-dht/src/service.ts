import { dhtContract } from '@ron/proto/dht';
import type { Contact, NodeId } from '@ron/proto/network';
import { defineService, nodeOf, type Ports } from '@ron/service';
import type { Ask, NodeSigner, VerifySignature } from '@ron/transport';
import { DhtConfig, rulesOf } from './config.ts';
import { DhtNode } from './dht-node.ts';
import { createAnnounce } from './handlers/announce.ts';
import { createLocate, type MayTrustOf } from './handlers/locate.ts';
import { createTable } from './handlers/table.ts';
import { createTrace } from './handlers/trace.ts';
import { createWithdraw } from './handlers/withdraw.ts';
import { createMeters, measure } from './meters.ts';
import { createNodeHandlers } from './node-service.ts';
import { Publisher } from './publisher.ts';
import { type ContactTable, TableMemory } from './table-memory.ts';
import { Upkeep } from './upkeep.ts';

export { groupOf } from './address-group.ts';
export { DhtConfig, rulesOf } from './config.ts';
export { DhtNode, type DhtPorts } from './dht-node.ts';
export { compareDistance, distanceShare, randomWithin, sharedBits } from './distance.ts';
export { keyOfAddress } from './key.ts';
export { createNodeHandlers, serveNode } from './node-service.ts';
export { type Published, Publisher } from './publisher.ts';
export { type CheckRecord, createRecordCheck, recordMessage, signRecord } from './record.ts';
export { nodesOfRegion } from './region.ts';
export { type DhtRules, dhtRulesDefault } from './rules.ts';
export { findProviders, type SearchResult } from './search.ts';
export { type ContactTable, rememberedMax } from './table-memory.ts';
export { Upkeep } from './upkeep.ts';

/** Chosen by the profile. */
export interface DhtEngines {
  /** How other nodes reach this one; its id is the hash of the signer’s public key. */
  readonly contact: Contact;
  readonly ask: Ask<typeof dhtContract>;
  /** Whether a connection to the node is open; without it all are taken to be. */
  readonly isLinked?: (id: NodeId) => boolean;
  readonly signer: NodeSigner;
  readonly verify: VerifySignature;
  /** Nodes known from elsewhere, asked anew whenever the table is empty. None: this node is the first. */
  readonly seeds: () => readonly Contact[];
  /** A challenge that only who has the object passes. Absent: a record is taken by its signature. */
  readonly mayTrust?: MayTrustOf;
  readonly isBanned?: (id: NodeId) => boolean;
  /** This node handed on a record that its provider never signed. */
  readonly onForged?: (from: NodeId) => void;
  /** Where the routing table outlives the process. Absent: it does not. */
  readonly memory?: ContactTable;
}

type DhtServicePorts = Ports<DhtConfig, Record<never, never>, DhtEngines>;

/** Provider records of a network of nodes: contract in @ron/proto/dht, configuration table `dht`. */
export const dht = defineService({
  contract: dhtContract,
  config: DhtConfig,
  uses: {},
  async start({ config, engines, env, log, metrics }: DhtServicePorts) {
    const { contact, seeds, memory, mayTrust, ...asking } = engines;
    const { clock, random, work } = env;
    const node = new DhtNode(contact, rulesOf(config.current()), {
      clock,
      random,
      blake3: (bytes) => work.blake3(bytes),
      ...asking,
    });
    const meters = createMeters(metrics);
    const publisher = new Publisher(node);
    const measuring = measure(metrics, node, publisher);
    const failed = (error: unknown) => log.error({ error: String(error) }, 'upkeep failed');
    const upkeep = new Upkeep(node, publisher, seeds, { failed, ...(memory && { memory: new TableMemory(memory) }) });
    const asked = createNodeHandlers(node, meters.refused);
    upkeep.start();
    return {
      handlers: {
        ping: (input, { context }) => asked.ping(input, nodeOf(context)),
        find_node: (input, { context }) => asked.find_node(input, nodeOf(context)),
        find_providers: (input, { context }) => asked.find_providers(input, nodeOf(context)),
        provide: (input, { context }) => asked.provide(input, nodeOf(context)),
        locate: createLocate(node, meters, mayTrust),
        announce: createAnnounce(node, publisher),
        withdraw: createWithdraw(node, publisher),
        table: createTable(node),
        trace: createTrace(node, mayTrust),
      },
      gates: () => {
        const reason = upkeep.unready;
        return [reason === undefined ? { gate: 'table', ok: true } : { gate: 'table', ok: false, reason }];
      },
      async [Symbol.asyncDispose]() {
        measuring[Symbol.dispose]();
        await upkeep[Symbol.asyncDispose]();
      },
    };
  },
});
