import type { SimRandom } from '@ron/kernel/sim';
import type { DhtKey, ProviderRecord } from '@ron/proto/dht';
import type { Contact } from '@ron/proto/network';
import { compareDistance, type DhtNode } from '@ron/svc-dht/service';
import type { Serve } from '../message-net.ts';
import type { Cluster, SimNode } from './cluster.ts';

/** What a Sybil answers when it is asked for providers. */
export type Lie = 'nothing' | 'forged';

const noSignature = 'A'.repeat(86);

/**
 * Ids beside one key, run by one attacker. They answer quickly and politely, know only each other, take records and forget them, so that
 * whoever believes the nearest nodes finds nothing; with `forged` they also name a provider that never was.
 */
export class Sybils {
  readonly nodes: SimNode[] = [];
  readonly #cluster: Cluster;
  readonly #key: DhtKey;
  readonly #lie: Lie;
  asked = 0;
  swallowed = 0;

  constructor(cluster: Cluster, key: DhtKey, lie: Lie) {
    this.#cluster = cluster;
    this.#key = key;
    this.#lie = lie;
  }

  /** They join as anybody does, and ask around so that they get into tables. */
  async enter(count: number, bits: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const serve = (own: DhtNode): Serve => this.#serve(own);
      this.nodes.push(this.#cluster.create({ beside: { point: this.#key, bits }, serve }));
    }
    await this.#cluster.network.scheduler.settle(Promise.all(this.nodes.map(({ upkeep }) => upkeep.join())));
  }

  /** Each tells every honest node that it has the object, with a signature that nobody made. */
  async forge(): Promise<void> {
    const { nodes, network } = this.#cluster;
    const sending = this.nodes.flatMap(({ contact, node, signer }) => {
      const record = this.#forgedBy(contact, signer.publicKey);
      return nodes.map((honest) => node.ports.ask(honest.contact, 'provide', { records: [record] }, 1_500));
    });
    await network.scheduler.settle(Promise.allSettled(sending));
  }

  /** Forged records that honest nodes keep. */
  get forgedKept(): number {
    const kept = this.#cluster.nodes.flatMap(({ node }) => node.store.recordsOf(this.#key));
    return kept.filter(({ signature }) => signature === noSignature).length;
  }

  leave(): void {
    for (const node of this.nodes) this.#cluster.remove(node, 'crash');
  }

  #serve(own: DhtNode): Serve {
    return async (operation, input) => {
      this.asked++;
      if (operation === 'ping') return { id: own.id };
      if (operation === 'provide') {
        const { records } = input as { records: readonly ProviderRecord[] };
        this.swallowed += records.length;
        return { stored: records.length };
      }
      const { target, toward = target } = input as { target: DhtKey; toward?: DhtKey };
      const contacts = this.#friends(toward);
      return operation === 'find_node' ? { contacts } : { records: this.#forged(own), contacts };
    };
  }

  #friends(toward: DhtKey): Contact[] {
    const contacts = this.nodes.map(({ contact }) => contact);
    return contacts.sort((a, b) => compareDistance(toward, a.id, b.id)).slice(0, 20);
  }

  /** Of an honest node that has not announced the key. */
  #forged(own: DhtNode): ProviderRecord[] {
    if (this.#lie === 'nothing') return [];
    const { nodes } = this.#cluster;
    const victim = nodes[Number.parseInt(own.id.slice(-6), 16) % nodes.length]!;
    return [this.#forgedBy(victim.contact, victim.signer.publicKey)];
  }

  #forgedBy(provider: Contact, publicKey: Uint8Array): ProviderRecord {
    const nowMs = this.#cluster.wallMs;
    return {
      key: this.#key,
      provider,
      public_key: Buffer.from(publicKey).toString('base64url'),
      issued_at: nowMs,
      expires_at: nowMs + 3_600_000,
      sequence: nowMs,
      signature: noSignature,
    };
  }
}

/** Share of the newcomers that an honest node asks something. */
const meetingShare = 0.2;

/** Ids that come and go to push others out of tables: each asks everybody once. */
export async function flood(cluster: Cluster, count: number, overMs: number, random: SimRandom): Promise<SimNode[]> {
  const { scheduler } = cluster.network;
  const comers: SimNode[] = [];
  const targets = [...cluster.nodes];
  for (let index = 0; index < count; index++) {
    const comer = cluster.create();
    comers.push(comer);
    for (const { contact, node } of targets) {
      scheduler.after(random.unit() * overMs, () => void comer.node.alive(contact), 'flood');
      // Some are met in lookups: an answer is what makes a newcomer of a full bucket a rival of the oldest.
      if (random.chance(meetingShare)) {
        scheduler.after(random.unit() * overMs, () => void node.alive(comer.contact), 'met');
      }
    }
  }
  await scheduler.runFor(overMs + 10_000);
  return comers;
}
